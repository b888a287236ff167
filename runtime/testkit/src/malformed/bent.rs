use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What parsers of text and of lengths stumble over.
const PIECES: &[&[u8]] = &[
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xff\xff\xff\xff\x0f",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[",
    b"(",
    b")",
    b"(?",
    b"\"",
    b"'",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"\\x",
    b"$",
    b"${",
    b"$1",
    b"%",
    b"%zz",
    b"%00",
    b",",
    b":",
    b";",
    b"=",
    b"=>",
    b"/",
    b"//",
    b".",
    b"-",
    b"--",
    b"+",
    b"e",
    b"E999999999",
    b"1e400",
    b"99999999999999999999",
    b"-9223372036854775808",
    b"0",
    b"1",
    b"T",
    b"Z",
    b" BC",
    b"infinity",
    b"NaN",
    b"null",
    b"true",
    b"NULL",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"*",
    b"{9999}",
    b"||",
    b"^",
    b"&&",
    b"'T'",
    b"SSSSSSSSSS",
    b"#",
    b"!",
];

/// One change to an input.
#[derive(Debug, Clone)]
enum Edit {
    Cut(Index),
    Set(Index, u8),
    Insert(Index, &'static [u8]),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    /// A part of another input is put in.
    Splice(Index, Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        1 => at().prop_map(Edit::Cut),
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        4 => (at(), select(PIECES)).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        2 => (at(), 1..16_usize).prop_map(|(at, len)| Edit::Remove(at, len)),
        1 => (at(), 1..24_usize, 2..200_usize).prop_map(|(at, len, times)| Edit::Repeat(at, len, times)),
        2 => (at(), at(), 1..64_usize).prop_map(|(at, from, len)| Edit::Splice(at, from, len)),
    ]
}

impl Edit {
    fn apply(&self, input: &mut Vec<u8>, other: &[u8]) {
        let place = |at: &Index, len: usize| at.index(len + 1);
        match self {
            Edit::Cut(at) => input.truncate(place(at, input.len())),
            Edit::Set(at, byte) => {
                if !input.is_empty() {
                    let at = at.index(input.len());
                    input[at] = *byte;
                }
            }
            Edit::Insert(at, piece) => {
                let at = place(at, input.len());
                input.splice(at..at, piece.iter().copied());
            }
            Edit::Remove(at, len) => {
                let at = place(at, input.len());
                input.drain(at..(at + len).min(input.len()));
            }
            Edit::Repeat(at, len, times) => {
                let at = place(at, input.len());
                let part = input[at..(at + len).min(input.len())].repeat(*times);
                input.splice(at..at, part);
            }
            Edit::Splice(at, from, len) => {
                let from = place(from, other.len());
                let part = other[from..(from + len).min(other.len())].to_vec();
                let at = place(at, input.len());
                input.splice(at..at, part);
            }
        }
    }
}

/// Inputs near `seeds`: one of them after up to six changes, and now and then bytes without any sense.
pub fn bent(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let near = (select(seeds.clone()), select(seeds), vec(edit(), 0..6)).prop_map(|(mut input, other, edits)| {
        for edit in &edits {
            edit.apply(&mut input, &other);
        }
        input
    });
    prop_oneof![9 => near, 1 => vec(any::<u8>(), 0..200)]
}
