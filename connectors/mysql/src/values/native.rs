//! MariaDB's `UUID`, `INET4` and `INET6`: bytes in the log, text in a snapshot. Records have the text that `SELECT` shows.

use std::fmt::Write as _;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Native {
    /// `UUID`.
    Uuid,
    /// `INET4`.
    Inet4,
    /// `INET6`.
    Inet6,
}

impl Native {
    /// The type called `name`, in capitals.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "UUID" => Native::Uuid,
            "INET4" => Native::Inet4,
            "INET6" => Native::Inet6,
            _ => return None,
        })
    }

    /// The text of what the log has, which is without zeros at its end; `None`: it is too long.
    pub(super) fn text(self, bytes: &[u8]) -> Option<String> {
        let mut whole = [0; 16];
        let width = if self == Native::Inet4 { 4 } else { 16 };
        whole[..width].get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(match self {
            Native::Uuid => uuid(whole),
            Native::Inet4 => std::net::Ipv4Addr::new(whole[0], whole[1], whole[2], whole[3]).to_string(),
            Native::Inet6 => inet6(whole),
        })
    }
}

/// Where the time stands in front (versions 1 to 5 of those with a variant), the log has the parts in the opposite order.
fn uuid(record: [u8; 16]) -> String {
    let swapped = record[6] & record[8].wrapping_neg() & 0x80 != 0;
    let order: [usize; 16] = [12, 13, 14, 15, 10, 11, 8, 9, 6, 7, 0, 1, 2, 3, 4, 5];
    let mut text = String::with_capacity(36);
    for (place, from) in order.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{:02x}", record[if swapped { from } else { place }]);
    }
    text
}

/// As MariaDB writes it: the first of the longest runs of zeros is left out, be it a single one; addresses of IPv4 are shown as such.
fn inet6(bytes: [u8; 16]) -> String {
    let mut words = [0_u16; 8];
    words.iter_mut().zip(bytes.chunks_exact(2)).for_each(|(word, pair)| *word = u16::from_be_bytes([pair[0], pair[1]]));
    let (mut gap, mut gap_length, mut run) = (8, 0, 0);
    for (place, word) in words.iter().enumerate() {
        run = if *word == 0 { run + 1 } else { 0 };
        if run > gap_length {
            (gap, gap_length) = (place + 1 - run, run);
        }
    }
    let ipv4 = gap == 0 && (gap_length == 6 || (gap_length == 5 && words[5] == 0xffff));
    let mut text = String::with_capacity(39);
    let mut place = 0;
    while place < 8 {
        if place == gap {
            text.push_str(if place == 0 { "::" } else { ":" });
            place += gap_length;
        } else if place == 6 && ipv4 {
            let _ = write!(text, "{}.{}.{}.{}", bytes[12], bytes[13], bytes[14], bytes[15]);
            break;
        } else {
            let _ = write!(text, "{:x}{}", words[place], if place == 7 { "" } else { ":" });
            place += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_mariadb_writes_them() {
        let rows: [(Native, &[u8], &str); 9] = [
            (Native::Inet4, &[10], "10.0.0.0"),
            (Native::Inet4, &[192, 168, 1, 32], "192.168.1.32"),
            (Native::Inet6, &[], "::"),
            (Native::Inet6, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "::1"),
            (Native::Inet6, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4], "::ffff:1.2.3.4"),
            (Native::Inet6, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], "::1.2.3.4"),
            (Native::Inet6, &[0x20, 1, 0xd, 0xb8], "2001:db8::"),
            (Native::Inet6, &[0, 1, 0, 2, 0, 3, 0, 0, 0, 5, 0, 6, 0, 7, 0, 8], "1:2:3::5:6:7:8"),
            (Native::Inet6, &[0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 7, 0, 8], "1::4:0:0:7:8"),
        ];
        for (kind, bytes, want) in rows {
            assert_eq!(kind.text(bytes).as_deref(), Some(want));
        }
        assert_eq!((Native::Inet4.text(&[0; 5]), Native::Uuid.text(&[0; 17])), (None, None));
    }

    #[test]
    fn parts_of_a_uuid_are_put_in_order() {
        let swapped = [1, 2, 3, 4, 5, 6, 0x87, 8, 0x19, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(Native::Uuid.text(&swapped).as_deref(), Some("0d0e0f10-0b0c-190a-8708-010203040506"));
        let plain = [1, 2, 3, 4, 5, 6, 0x77, 8, 0x99, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(Native::Uuid.text(&plain).as_deref(), Some("01020304-0506-7708-990a-0b0c0d0e0f10"));
    }
}
