//! Writes keys as `ObjectOutputStream` does, with a back reference for every class that was described already.

use num_bigint::{BigInt, Sign};

use super::JavaObject;

/// First number of a back reference.
const FIRST_HANDLE: u32 = 0x7e_0000;

/// A class without fields that others extend.
const NUMBER: (&str, u64) = ("java.lang.Number", 0x86ac_951d_0b94_e08b);

struct Writer {
    out: Vec<u8>,
    /// Class described under each handle; empty: the handle is an object or a text.
    handles: Vec<&'static str>,
}

/// A class: name, version, flags, fields as they are written, and whether it extends `Number`.
struct Class {
    name: &'static str,
    version: u64,
    flags: u8,
    /// Type, name, and class of the value.
    fields: &'static [(u8, &'static str, &'static str)],
    number: bool,
}

const fn boxed(
    name: &'static str,
    version: u64,
    fields: &'static [(u8, &'static str, &'static str)],
    number: bool,
) -> Class {
    Class { name, version, flags: 2, fields, number }
}

const OBJECTS: Class = boxed("[Ljava.lang.Object;", 0x90ce_589f_1073_296c, &[], false);
const BYTES: Class = boxed("[B", 0xacf3_17f8_0608_54e0, &[], false);
const BOOLEAN: Class = boxed("java.lang.Boolean", 0xcd20_7280_d59c_faee, &[(b'Z', "value", "")], false);
const SHORT: Class = boxed("java.lang.Short", 0x684d_3713_3460_da52, &[(b'S', "value", "")], true);
const INTEGER: Class = boxed("java.lang.Integer", 0x12e2_a0a4_f781_8738, &[(b'I', "value", "")], true);
const LONG: Class = boxed("java.lang.Long", 0x3b8b_e490_cc8f_23df, &[(b'J', "value", "")], true);
const FLOAT: Class = boxed("java.lang.Float", 0xdaed_c9a2_db3c_f0ec, &[(b'F', "value", "")], true);
const DOUBLE: Class = boxed("java.lang.Double", 0x80b3_c24a_296b_fb04, &[(b'D', "value", "")], true);
const UUID: Class =
    boxed("java.util.UUID", 0xbc99_03f7_986d_852f, &[(b'J', "leastSigBits", ""), (b'J', "mostSigBits", "")], false);
const BIG_DECIMAL: Class = Class {
    name: "java.math.BigDecimal",
    version: 0x54c7_1557_f981_284f,
    flags: 3,
    fields: &[(b'I', "scale", ""), (b'L', "intVal", "Ljava/math/BigInteger;")],
    number: true,
};
const BIG_INTEGER: Class = Class {
    name: "java.math.BigInteger",
    version: 0x8cfc_9f1f_a93b_fb1d,
    flags: 3,
    fields: &[
        (b'I', "bitCount", ""),
        (b'I', "bitLength", ""),
        (b'I', "firstNonzeroByteNum", ""),
        (b'I', "lowestSetBit", ""),
        (b'I', "signum", ""),
        (b'[', "magnitude", "[B"),
    ],
    number: true,
};

/// The stream that holds `key` as `Object[]`.
pub(super) fn array(key: Option<&[JavaObject]>) -> Vec<u8> {
    let mut writer = Writer { out: vec![0xac, 0xed, 0x00, 0x05], handles: Vec::new() };
    match key {
        None => writer.out.push(0x70),
        Some(key) => {
            writer.begin_array(&OBJECTS, key.len());
            key.iter().for_each(|object| writer.object(object));
        }
    }
    writer.out
}

impl Writer {
    fn int(&mut self, number: i32) {
        self.out.extend(number.to_be_bytes());
    }

    /// A length; what does not fit has no place in an offset.
    fn length(&mut self, length: usize) {
        self.int(i32::try_from(length).unwrap_or(i32::MAX));
    }

    fn begin_array(&mut self, class: &Class, length: usize) {
        self.out.push(0x75);
        self.class(class);
        self.handles.push("");
        self.length(length);
    }

    fn begin_object(&mut self, class: &Class) {
        self.out.push(0x73);
        self.class(class);
        self.handles.push("");
    }

    fn name(&mut self, name: &str) {
        self.out.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.out.extend(name.as_bytes());
    }

    /// A back reference to the class `name`, if it was described before.
    fn reference(&mut self, name: &str) -> bool {
        let Some(index) = self.handles.iter().position(|known| *known == name) else { return false };
        self.out.push(0x71);
        self.out.extend((FIRST_HANDLE + u32::try_from(index).unwrap_or(u32::MAX)).to_be_bytes());
        true
    }

    fn class(&mut self, class: &Class) {
        if self.reference(class.name) {
            return;
        }
        self.out.push(0x72);
        self.name(class.name);
        self.out.extend(class.version.to_be_bytes());
        self.handles.push(class.name);
        self.out.push(class.flags);
        self.out.extend(u16::try_from(class.fields.len()).unwrap_or(u16::MAX).to_be_bytes());
        for (kind, name, value) in class.fields {
            self.out.push(*kind);
            self.name(name);
            if !value.is_empty() {
                self.out.push(0x74);
                self.handles.push("");
                self.name(value);
            }
        }
        self.out.push(0x78);
        match class.number {
            false => self.out.push(0x70),
            true if self.reference(NUMBER.0) => {}
            true => {
                self.out.push(0x72);
                self.name(NUMBER.0);
                self.out.extend(NUMBER.1.to_be_bytes());
                self.handles.push(NUMBER.0);
                self.out.extend([2, 0, 0, 0x78, 0x70]);
            }
        }
    }

    fn simple(&mut self, class: &Class, value: &[u8]) {
        self.begin_object(class);
        self.out.extend(value);
    }

    fn object(&mut self, object: &JavaObject) {
        match object {
            JavaObject::Null => self.out.push(0x70),
            JavaObject::Boolean(b) => self.simple(&BOOLEAN, &[u8::from(*b)]),
            JavaObject::Short(n) => self.simple(&SHORT, &n.to_be_bytes()),
            JavaObject::Integer(n) => self.simple(&INTEGER, &n.to_be_bytes()),
            JavaObject::Long(n) => self.simple(&LONG, &n.to_be_bytes()),
            JavaObject::Float(n) => self.simple(&FLOAT, &n.to_be_bytes()),
            JavaObject::Double(n) => self.simple(&DOUBLE, &n.to_be_bytes()),
            JavaObject::Text(text) => self.text(text),
            JavaObject::Bytes(bytes) => self.bytes(bytes),
            JavaObject::Decimal(unscaled, scale) => {
                self.begin_object(&BIG_DECIMAL);
                self.int(*scale);
                self.integral(unscaled);
                self.out.push(0x78);
            }
            JavaObject::Integral(n) => self.integral(n),
            JavaObject::Uuid(bits) => {
                self.begin_object(&UUID);
                let bits = bits.to_be_bytes();
                self.out.extend(&bits[8..]);
                self.out.extend(&bits[..8]);
            }
        }
    }

    /// Java's own UTF-8: NUL takes two bytes, each half of a surrogate pair three.
    fn text(&mut self, text: &str) {
        self.handles.push("");
        let mut bytes = Vec::with_capacity(text.len());
        for unit in text.encode_utf16() {
            let continued = |shift: u16| 0x80 | (unit >> shift & 0x3f).to_be_bytes()[1];
            match unit {
                1..=0x7f => bytes.push(unit.to_be_bytes()[1]),
                0 | 0x80..=0x7ff => bytes.extend([0xc0 | (unit >> 6).to_be_bytes()[1], continued(0)]),
                _ => bytes.extend([0xe0 | (unit >> 12).to_be_bytes()[1], continued(6), continued(0)]),
            }
        }
        match u16::try_from(bytes.len()) {
            Ok(length) => {
                self.out.push(0x74);
                self.out.extend(length.to_be_bytes());
            }
            Err(_) => {
                self.out.push(0x7c);
                self.out.extend((bytes.len() as u64).to_be_bytes());
            }
        }
        self.out.extend(bytes);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.begin_array(&BYTES, bytes.len());
        self.out.extend(bytes);
    }

    fn integral(&mut self, number: &BigInt) {
        self.begin_object(&BIG_INTEGER);
        for cached in [-1, -1, -2, -2] {
            self.int(cached);
        }
        let (sign, magnitude) = number.to_bytes_be();
        self.int(match sign {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        });
        self.bytes(if sign == Sign::NoSign { &[] } else { &magnitude });
        self.out.push(0x78);
    }
}
