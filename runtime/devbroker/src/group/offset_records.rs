//! Records of the offsets topic, in Kafka's own format so that tools can read them.
//!
//! Source: Kafka's `OffsetCommitKey` (v1), `OffsetCommitValue` (v3), `GroupMetadataKey` (v2), `GroupMetadataValue` (v3).
//! Members are not written down: after a restart they join again, and the generation goes on.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;

use super::offsets::{Committed, TopicPartition};

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    Offset { group: StrBytes, partition: TopicPartition },
    Group { group: StrBytes },
}

/// What of a group outlives a restart, besides offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupSummary {
    pub(crate) protocol_type: StrBytes,
    pub(crate) generation: i32,
}

impl Key {
    pub(crate) fn encode(&self) -> Bytes {
        let mut buf = BytesMut::new();
        match self {
            Key::Offset { group, partition: (topic, partition) } => {
                buf.put_i16(1);
                put_string(&mut buf, group);
                put_string(&mut buf, topic);
                buf.put_i32(*partition);
            }
            Key::Group { group } => {
                buf.put_i16(2);
                put_string(&mut buf, group);
            }
        }
        buf.freeze()
    }

    /// `None` for kinds and versions that are not ours.
    pub(crate) fn decode(mut buf: Bytes) -> Option<Key> {
        match get_i16(&mut buf)? {
            0 | 1 => {
                let group = get_string(&mut buf)?;
                let topic = get_string(&mut buf)?;
                Some(Key::Offset { group, partition: (topic, get_i32(&mut buf)?) })
            }
            2 => Some(Key::Group { group: get_string(&mut buf)? }),
            _ => None,
        }
    }
}

impl Committed {
    pub(crate) fn encode(&self, now_ms: i64) -> Bytes {
        let mut buf = BytesMut::new();
        buf.put_i16(3);
        buf.put_i64(self.offset);
        buf.put_i32(self.leader_epoch);
        put_string(&mut buf, &self.metadata);
        buf.put_i64(now_ms);
        buf.freeze()
    }

    /// `None` for versions that are not ours.
    pub(crate) fn decode(mut buf: Bytes) -> Option<Committed> {
        if get_i16(&mut buf)? != 3 {
            return None;
        }
        let offset = buf.try_get_i64().ok()?;
        let leader_epoch = get_i32(&mut buf)?;
        Some(Committed { offset, leader_epoch, metadata: get_string(&mut buf)? })
    }
}

impl GroupSummary {
    pub(crate) fn encode(&self, now_ms: i64) -> Bytes {
        let mut buf = BytesMut::new();
        buf.put_i16(3);
        put_string(&mut buf, &self.protocol_type);
        buf.put_i32(self.generation);
        buf.put_i16(-1); // no protocol: there are no members
        buf.put_i16(-1); // no leader
        buf.put_i64(now_ms);
        buf.put_i32(0); // no members
        buf.freeze()
    }

    /// `None` for versions that are not ours.
    pub(crate) fn decode(mut buf: Bytes) -> Option<GroupSummary> {
        if get_i16(&mut buf)? != 3 {
            return None;
        }
        Some(GroupSummary { protocol_type: get_string(&mut buf)?, generation: get_i32(&mut buf)? })
    }
}

fn put_string(buf: &mut BytesMut, text: &StrBytes) {
    // Protocol strings arrive with 16-bit lengths or are bounded by the request size check of the caller.
    let bytes = &text.as_bytes()[..text.len().min(i16::MAX as usize)];
    buf.put_i16(bytes.len() as i16);
    buf.put_slice(bytes);
}

fn get_i16(buf: &mut Bytes) -> Option<i16> {
    buf.try_get_i16().ok()
}

fn get_i32(buf: &mut Bytes) -> Option<i32> {
    buf.try_get_i32().ok()
}

fn get_string(buf: &mut Bytes) -> Option<StrBytes> {
    let length = usize::try_from(get_i16(buf)?).ok()?;
    if buf.remaining() < length {
        return None;
    }
    StrBytes::from_utf8(buf.split_to(length)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> StrBytes {
        StrBytes::from_static_str(text)
    }

    #[test]
    fn round_trips() {
        for key in [
            Key::Offset { group: text("g"), partition: (text("topic"), 7) },
            Key::Group { group: text("connect-cluster") },
        ] {
            assert_eq!(Key::decode(key.encode()), Some(key));
        }
        let committed = Committed { offset: 1 << 40, leader_epoch: 3, metadata: text("note") };
        assert_eq!(Committed::decode(committed.encode(5)), Some(committed));
        let summary = GroupSummary { protocol_type: text("consumer"), generation: 12 };
        assert_eq!(GroupSummary::decode(summary.encode(5)), Some(summary));
    }

    #[test]
    fn foreign_and_cut_records_are_not_read() {
        let whole = Key::Offset { group: text("g"), partition: (text("t"), 7) }.encode();
        for cut in 0..whole.len() {
            assert_eq!(Key::decode(whole.slice(..cut)), None, "{cut}");
        }
        assert_eq!(Key::decode(Bytes::from_static(&[0, 9])), None);
        assert_eq!(Committed::decode(Bytes::from_static(&[0, 0, 1])), None);
        assert_eq!(GroupSummary::decode(Bytes::new()), None);
    }
}
