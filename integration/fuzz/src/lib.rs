//! The decoders of all crates in one list, for libFuzzer.

use couplet_testkit::golden;
use couplet_testkit::malformed::Target;

/// A decoder and what to begin with.
pub struct Fuzzed {
    pub target: Target,
    pub seeds: Vec<Vec<u8>>,
    /// The folder of recordings whose texts are seeds too.
    recordings: Option<&'static str>,
}

impl Fuzzed {
    /// Its own seeds and those out of the recordings of the JVM originals.
    pub fn all_seeds(&self) -> Vec<Vec<u8>> {
        let recorded = self.recordings.map(|folder| golden::texts(folder, 2000)).unwrap_or_default();
        self.seeds.iter().cloned().chain(recorded.into_iter().map(String::into_bytes)).collect()
    }
}

/// Every decoder that is known.
pub fn targets() -> Vec<Fuzzed> {
    let of = |name, run, seeds: &[&[u8]], recordings| Fuzzed {
        target: Target { name, run },
        seeds: seeds.iter().map(|seed| seed.to_vec()).collect(),
        recordings: Some(recordings),
    };
    let plugins =
        couplet_plugins::fuzzing::DECODERS.iter().map(|&(n, run, seeds)| of(n, run, seeds, "connect/converters"));
    let engine =
        couplet_engine::fuzzing::decoders().into_iter().map(|(n, run, seeds)| of(n, run, seeds, "connect/topics"));
    let postgres = couplet_postgres::fuzzing::DECODERS.iter().map(|&(n, run, seeds)| of(n, run, seeds, "cdc/postgres"));
    let registry =
        couplet_registry::fuzzing::decoders().into_iter().map(|(n, run, seeds)| of(n, run, seeds, "connect/converters"));
    let broker = couplet_devbroker::fuzzing::DECODERS.iter().map(|&(name, run, seeds)| Fuzzed {
        target: Target { name, run },
        seeds: seeds(),
        recordings: None,
    });
    plugins.chain(engine).chain(postgres).chain(registry).chain(broker).collect()
}
