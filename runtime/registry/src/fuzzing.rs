//! The decoders of this crate for property tests and fuzzers: name, what to do with any bytes, inputs to begin with.
//!
//! None may panic, hang, or hold more memory than the input explains. Messages are what anyone may write to a topic, schemas
//! what a registry answers.

/// Name, decoder, inputs.
pub type Decoder = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// Every decoder of this crate.
pub fn decoders() -> Vec<Decoder> {
    [crate::avro::DECODERS, crate::json_schema::DECODERS, crate::protobuf::DECODERS].concat()
}

#[cfg(test)]
mod tests {
    use couplet_testkit::malformed;

    use super::*;

    #[global_allocator]
    static ACCOUNTING: malformed::Accounting = malformed::Accounting;

    #[test]
    fn malformed_input_is_an_error_and_nothing_worse() {
        for (name, run, seeds) in decoders() {
            malformed::check(malformed::Target { name, run }, seeds, &[], 1000);
        }
    }
}
