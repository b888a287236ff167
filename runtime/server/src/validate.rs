//! `couplet validate`: checks connectors without a running worker.

use std::path::{Path, PathBuf};

use couplet_api::config::Props;
use couplet_engine::java_properties;
use couplet_engine::validate::{ConfigInfos, UnknownKey, unknown_keys, validate_connector};
use couplet_engine::worker_config::{Mode, WorkerConfig};

use crate::exit::Stop;
use crate::{connector_file, registry};

/// Checks the connectors in `files` as the worker with the settings in `worker` would. Prints every error, and a hint for
/// every key that nobody reads.
///
/// # Errors
/// When a connector would be refused, or a file cannot be read.
#[allow(clippy::print_stdout, reason = "the findings are what was asked for")]
pub async fn run(files: &[PathBuf], worker: Option<&Path>) -> Result<(), Stop> {
    let config = worker_config(worker)?;
    let plugins = registry::plugins();
    let mut refused = 0;
    for file in files {
        let shown = file.display();
        let connector = connector_file::load(file).map_err(|error| Stop::at_start(&error))?;
        match validate_connector(&plugins, &config, &connector.config).await {
            Err(reason) => {
                refused += 1;
                println!("{shown}: error: {}", reason.message());
            }
            Ok(infos) => {
                let errors: Vec<String> = errors(&infos);
                refused += usize::from(!errors.is_empty());
                errors.iter().for_each(|error| println!("{shown}: error: {error}"));
                for UnknownKey { key, nearest } in unknown_keys(&infos, &connector.config) {
                    let meant = nearest.map_or(String::new(), |nearest| format!("; did you mean {nearest}?"));
                    println!("{shown}: hint: {key} is not a setting of this connector and has no effect{meant}");
                }
            }
        }
    }
    match refused {
        0 => Ok(()),
        _ => Err(Stop::invalid(format!("{refused} of {} connectors would be refused", files.len()))),
    }
}

/// Each error behind the key it is about.
fn errors(infos: &ConfigInfos) -> Vec<String> {
    let values = infos.configs.iter().filter_map(|config| config.value.as_ref());
    values.flat_map(|value| value.errors.iter().map(|error| format!("{}: {error}", value.name))).collect()
}

fn worker_config(file: Option<&Path>) -> Result<WorkerConfig, Stop> {
    let (mode, props) = match file {
        Some(file) => {
            let props = java_properties::load(file).map_err(|error| Stop::at_start(&error))?;
            let mode = if props.contains("group.id") { Mode::Distributed } else { Mode::Standalone };
            (mode, props)
        }
        None => {
            let json = "org.apache.kafka.connect.json.JsonConverter";
            let settings =
                [("key.converter", json), ("value.converter", json), ("offset.storage.file.filename", "unused")];
            (Mode::Standalone, Props::from_iter(settings))
        }
    };
    WorkerConfig::parse(mode, props).map_err(|error| Stop::at_start(&error))
}
