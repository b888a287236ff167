//! libFuzzer on the decoder that the environment variable `COUPLET_FUZZ_TARGET` names. Without a name it prints all names;
//! with `COUPLET_FUZZ_SEEDS` it writes the decoder's seeds to that folder instead of fuzzing.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use couplet_fuzz::Fuzzed;
use couplet_testkit::malformed::{Accounting, Budget, Target};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ACCOUNTING: Accounting = Accounting;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let targets = couplet_fuzz::targets();
    let Ok(name) = std::env::var("COUPLET_FUZZ_TARGET") else {
        targets.iter().for_each(|fuzzed| println!("{}", fuzzed.target.name));
        std::process::exit(0);
    };
    let found = targets.into_iter().find(|fuzzed| fuzzed.target.name == name);
    let fuzzed = found.unwrap_or_else(|| panic!("no decoder is called {name}"));
    if let Some(folder) = std::env::var_os("COUPLET_FUZZ_SEEDS") {
        write_seeds(&fuzzed, Path::new(&folder)).expect("the folder can be written");
        std::process::exit(0);
    }
    fuzzed.target
});

fn write_seeds(fuzzed: &Fuzzed, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (number, seed) in fuzzed.all_seeds().iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}

fuzz_target!(init: { LazyLock::force(&TARGET); }, |data: &[u8]| {
    let budget = Budget::for_input(data.len());
    let used = budget.measure(|| (TARGET.run)(data));
    if let Err(problem) = budget.judge(used) {
        panic!("{problem}");
    }
});
