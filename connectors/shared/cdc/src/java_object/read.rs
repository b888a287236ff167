//! Reads serialized keys: the whole stream grammar that such arrays can use, and then the classes that are known.

use std::rc::Rc;

use num_bigint::{BigInt, Sign};

use super::{JavaObject, RowKey};

/// Objects inside one another; a decimal needs four.
const DEPTH_MAX: usize = 16;

/// Something that a back reference may mean.
#[derive(Debug, Clone)]
enum Item {
    Null,
    Class(Rc<ClassDesc>),
    Text(String),
    Bytes(Vec<u8>),
    Objects(Vec<Item>),
    Object(Rc<ClassDesc>, Vec<(Rc<str>, Item)>),
    /// A primitive, widened: the bits of a number.
    Bits(u64),
}

#[derive(Debug)]
struct ClassDesc {
    name: String,
    flags: u8,
    fields: Vec<(u8, Rc<str>)>,
    parent: Option<Rc<ClassDesc>>,
}

struct Reader<'a> {
    rest: &'a [u8],
    handles: Vec<Item>,
}

type Outcome<T> = Result<T, String>;

/// The key in the stream `bytes`.
pub(super) fn array(bytes: &[u8]) -> Outcome<Option<RowKey>> {
    let rest = bytes.strip_prefix(&[0xac, 0xed, 0x00, 0x05]).ok_or("not a stream of Java objects")?;
    let mut reader = Reader { rest, handles: Vec::new() };
    match reader.item(0)? {
        Item::Null => Ok(None),
        Item::Objects(items) => items.into_iter().map(known).collect::<Outcome<RowKey>>().map(Some),
        _ => Err("not an array of objects".to_owned()),
    }
}

/// What an item is as an element of a key.
fn known(item: Item) -> Outcome<JavaObject> {
    let (class, fields) = match item {
        Item::Null => return Ok(JavaObject::Null),
        Item::Text(text) => return Ok(JavaObject::Text(text)),
        Item::Bytes(bytes) => return Ok(JavaObject::Bytes(bytes)),
        Item::Object(class, fields) => (class, fields),
        _ => return Err("an element that is no object".to_owned()),
    };
    let field = |name: &str| fields.iter().find(|(field, _)| **field == *name).map(|(_, item)| item);
    let bits = |name: &str| match field(name) {
        Some(Item::Bits(bits)) => Ok(*bits),
        _ => Err(format!("{} without its field {name}", class.name)),
    };
    let object = |name: &str| field(name).cloned().ok_or_else(|| format!("{} without its field {name}", class.name));
    // The bits of narrow types were widened: the lower ones are theirs.
    let low = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or_default();
    Ok(match class.name.as_str() {
        "java.lang.Boolean" => JavaObject::Boolean(bits("value")? != 0),
        "java.lang.Byte" | "java.lang.Short" => {
            let number = bits("value")?.cast_signed();
            JavaObject::Short(i16::try_from(number).map_err(|_| "a Short out of range".to_owned())?)
        }
        "java.lang.Integer" => JavaObject::Integer(low(bits("value")?).cast_signed()),
        "java.lang.Long" => JavaObject::Long(bits("value")?.cast_signed()),
        "java.lang.Float" => JavaObject::Float(f32::from_bits(low(bits("value")?))),
        "java.lang.Double" => JavaObject::Double(f64::from_bits(bits("value")?)),
        "java.util.UUID" => {
            JavaObject::Uuid((u128::from(bits("mostSigBits")?) << 64) | u128::from(bits("leastSigBits")?))
        }
        "java.math.BigInteger" => {
            let sign = match low(bits("signum")?).cast_signed() {
                -1 => Sign::Minus,
                0 => Sign::NoSign,
                _ => Sign::Plus,
            };
            let Item::Bytes(magnitude) = object("magnitude")? else { return Err("a number without digits".to_owned()) };
            JavaObject::Integral(BigInt::from_bytes_be(sign, &magnitude))
        }
        "java.math.BigDecimal" => match known(object("intVal")?)? {
            JavaObject::Integral(unscaled) => JavaObject::Decimal(unscaled, low(bits("scale")?).cast_signed()),
            _ => return Err("a decimal without digits".to_owned()),
        },
        other => return Err(format!("objects of the class {other}")),
    })
}

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Outcome<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("the stream is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Outcome<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self, width: usize) -> Outcome<u64> {
        Ok(self.take(width)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn length(&mut self, width: usize) -> Outcome<usize> {
        usize::try_from(self.number(width)?).map_err(|_| "a length out of range".to_owned())
    }

    /// A text in Java's own UTF-8, its length in `width` bytes.
    fn utf(&mut self, width: usize) -> Outcome<String> {
        let length = self.length(width)?;
        let bytes = self.take(length)?;
        let mut units = Vec::with_capacity(length);
        let mut rest = bytes.iter().map(|byte| u16::from(*byte));
        while let Some(first) = rest.next() {
            let mut next = || rest.next().map(|byte| byte & 0x3f).ok_or("a text is cut short");
            units.push(match first {
                0..=0x7f => first,
                0xc0..=0xdf => ((first & 0x1f) << 6) | next()?,
                _ => ((first & 0x0f) << 12) | (next()? << 6) | next()?,
            });
        }
        String::from_utf16(&units).map_err(|_| "a text is not UTF-16".to_owned())
    }

    fn item(&mut self, depth: usize) -> Outcome<Item> {
        if depth > DEPTH_MAX {
            return Err("objects too deep inside one another".to_owned());
        }
        match self.byte()? {
            0x70 => Ok(Item::Null),
            0x71 => {
                let handle = self.length(4)?.checked_sub(0x7e_0000);
                handle.and_then(|h| self.handles.get(h).cloned()).ok_or_else(|| "a reference to nothing".to_owned())
            }
            0x72 => self.class(depth).map(Item::Class),
            0x73 => self.object(depth),
            0x74 => self.text(2),
            0x7c => self.text(8),
            0x75 => self.array(depth),
            other => Err(format!("an unknown mark {other:#x}")),
        }
    }

    fn text(&mut self, width: usize) -> Outcome<Item> {
        let text = self.utf(width)?;
        self.handles.push(Item::Text(text.clone()));
        Ok(Item::Text(text))
    }

    fn class_item(&mut self, depth: usize) -> Outcome<Option<Rc<ClassDesc>>> {
        match self.item(depth + 1)? {
            Item::Null => Ok(None),
            Item::Class(class) => Ok(Some(class)),
            _ => Err("a class is expected".to_owned()),
        }
    }

    fn class(&mut self, depth: usize) -> Outcome<Rc<ClassDesc>> {
        let name = self.utf(2)?;
        self.number(8)?;
        let handle = self.handles.len();
        self.handles.push(Item::Null);
        let flags = self.byte()?;
        let count = self.length(2)?;
        let mut fields = Vec::new();
        for _ in 0..count {
            let kind = self.byte()?;
            let name = self.utf(2)?;
            if matches!(kind, b'L' | b'[') {
                self.item(depth + 1)?;
            }
            fields.push((kind, Rc::from(name)));
        }
        self.annotations(depth)?;
        let parent = self.class_item(depth)?;
        let class = Rc::new(ClassDesc { name, flags, fields, parent });
        self.handles[handle] = Item::Class(class.clone());
        Ok(class)
    }

    /// What a class wrote by itself, up to the mark of its end.
    fn annotations(&mut self, depth: usize) -> Outcome<()> {
        loop {
            match self.rest.first() {
                Some(0x78) => return self.byte().map(|_| ()),
                Some(0x77) => {
                    self.byte()?;
                    let length = self.length(1)?;
                    self.take(length)?;
                }
                _ => {
                    self.item(depth + 1)?;
                }
            }
        }
    }

    fn object(&mut self, depth: usize) -> Outcome<Item> {
        let class = self.class_item(depth)?.ok_or("an object without a class")?;
        let handle = self.handles.len();
        self.handles.push(Item::Null);
        let mut hierarchy = vec![class.clone()];
        while let Some(parent) = hierarchy.last().and_then(|class| class.parent.clone()) {
            hierarchy.push(parent);
        }
        let mut values = Vec::new();
        for class in hierarchy.iter().rev() {
            for (kind, name) in &class.fields {
                values.push((name.clone(), self.field(*kind, depth)?));
            }
            if class.flags & 1 == 1 {
                self.annotations(depth)?;
            }
        }
        let object = Item::Object(class, values);
        self.handles[handle] = object.clone();
        Ok(object)
    }

    fn field(&mut self, kind: u8, depth: usize) -> Outcome<Item> {
        // Narrow integers are widened with their sign.
        let signed = |bits: u64, width: u32| (bits << (64 - width)).cast_signed() >> (64 - width);
        Ok(match kind {
            b'B' => Item::Bits(signed(self.number(1)?, 8).cast_unsigned()),
            b'S' => Item::Bits(signed(self.number(2)?, 16).cast_unsigned()),
            b'Z' => Item::Bits(self.number(1)?),
            b'C' => Item::Bits(self.number(2)?),
            b'I' | b'F' => Item::Bits(self.number(4)?),
            b'J' | b'D' => Item::Bits(self.number(8)?),
            b'L' | b'[' => self.item(depth + 1)?,
            other => return Err(format!("a field of the unknown type {other:#x}")),
        })
    }

    fn array(&mut self, depth: usize) -> Outcome<Item> {
        let class = self.class_item(depth)?.ok_or("an array without a class")?;
        let handle = self.handles.len();
        self.handles.push(Item::Null);
        let length = self.length(4)?;
        let array = match class.name.as_str() {
            "[B" => Item::Bytes(self.take(length)?.to_vec()),
            name if name.starts_with("[L") => {
                let mut items = Vec::new();
                for _ in 0..length {
                    items.push(self.item(depth + 1)?);
                }
                Item::Objects(items)
            }
            other => return Err(format!("arrays of the class {other}")),
        };
        self.handles[handle] = array.clone();
        Ok(array)
    }
}
