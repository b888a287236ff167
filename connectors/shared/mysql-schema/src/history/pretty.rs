//! JSON laid out as Jackson's default pretty printer does, which is how Debezium writes its schema history.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

use couplet_api::{Error, Result};

/// `value` as Jackson's `DefaultPrettyPrinter` writes it: members on lines of their own, arrays in one line.
pub(super) fn to_pretty(value: &impl Serialize) -> Result<String> {
    write(value, Jackson { pretty: true, ..Jackson::default() })
}

/// `value` in one line without blanks, with Jackson's escapes.
pub(super) fn to_line(value: &impl Serialize) -> Result<String> {
    write(value, Jackson::default())
}

fn write(value: &impl Serialize, formatter: Jackson) -> Result<String> {
    let mut bytes = Vec::new();
    let failed = |error: &dyn std::fmt::Display| Error::bug(format!("cannot write a schema history record: {error}"));
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter)).map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

#[derive(Default)]
struct Jackson {
    pretty: bool,
    depth: usize,
    empty: bool,
}

impl Jackson {
    fn line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }

    fn blank<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        if self.pretty { writer.write_all(b" ") } else { Ok(()) }
    }
}

impl Formatter for Jackson {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.empty = true;
        writer.write_all(b"[")?;
        self.blank(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first {
            return Ok(());
        }
        writer.write_all(b",")?;
        self.blank(writer)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.empty = false;
        Ok(())
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        // An empty array has the one blank that its beginning wrote.
        if !std::mem::replace(&mut self.empty, false) {
            self.blank(writer)?;
        }
        writer.write_all(b"]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.empty = true;
        writer.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        if self.pretty { self.line(writer) } else { Ok(()) }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(if self.pretty { b" : " } else { b":" })
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.empty = false;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        let empty = std::mem::replace(&mut self.empty, false);
        match self.pretty {
            true if empty => self.blank(writer)?,
            true => self.line(writer)?,
            false => {}
        }
        writer.write_all(b"}")
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04X}"),
        }
    }
}
