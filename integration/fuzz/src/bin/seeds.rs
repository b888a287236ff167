//! Names of the decoders, one a line; with a name and a folder, writes that decoder's seeds there.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let targets = couplet_fuzz::targets();
    let [name, folder] = &arguments[..] else {
        targets.iter().for_each(|fuzzed| println!("{}", fuzzed.target.name));
        return Ok(());
    };
    let found = targets.into_iter().find(|fuzzed| fuzzed.target.name == *name);
    let fuzzed = found.ok_or_else(|| std::io::Error::other(format!("no decoder is called {name}")))?;
    std::fs::create_dir_all(folder)?;
    for (number, seed) in fuzzed.all_seeds().iter().enumerate() {
        std::fs::write(Path::new(folder).join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}
