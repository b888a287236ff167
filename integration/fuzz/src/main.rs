//! libFuzzer on the decoder that the environment variable `COUPLET_FUZZ_TARGET` names.
#![no_main]

use std::sync::LazyLock;

use couplet_testkit::malformed::{Accounting, Budget, Target};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ACCOUNTING: Accounting = Accounting;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("COUPLET_FUZZ_TARGET").expect("COUPLET_FUZZ_TARGET names the decoder");
    let found = couplet_fuzz::targets().into_iter().find(|fuzzed| fuzzed.target.name == name);
    found.unwrap_or_else(|| panic!("no decoder is called {name}")).target
});

fuzz_target!(init: { LazyLock::force(&TARGET); }, |data: &[u8]| {
    let budget = Budget::for_input(data.len());
    let used = budget.measure(|| (TARGET.run)(data));
    if let Err(problem) = budget.judge(used) {
        panic!("{problem}");
    }
});
