//! `couplet`: a Kafka Connect worker.

mod cli;
mod connector_file;
mod dev;
mod exit;
mod log_line;
mod logging;
mod registry;
mod run;
mod signals;
mod validate;

use std::process::ExitCode;
use std::time::Duration;

use couplet_engine::worker_config::Mode;

use crate::cli::Command;
use crate::exit::Stop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a thread for blocking calls waits for its next one. They take turns, so with the usual 10 s a few hundred tasks
/// that look at a file once a second would keep all the threads that their common start had needed.
const IDLE_THREAD: Duration = Duration::from_millis(100);

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_keep_alive(IDLE_THREAD).build()
}

fn main() -> ExitCode {
    let cli = cli::parse(std::env::args_os());
    // Where the system backs every larger mapping by huge pages, an idle worker would hold 16 MiB it never touches.
    // Older kernels refuse, which costs memory only.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    // Fails only when there is a provider already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let loggers = logging::init(logging::format_of(cli.command.properties()));
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return Stop::failed(format!("the system gives no threads: {error}")).report(),
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Distributed { properties } => run::from_file(Mode::Distributed, &properties, &[], loggers).await,
            Command::Standalone { properties, connectors } => {
                run::from_file(Mode::Standalone, &properties, &connectors, loggers).await
            }
            Command::Validate { connectors, worker } => validate::run(&connectors, worker.as_deref()).await,
            Command::Dev(settings) => dev::run(&settings, loggers).await,
        }
    });
    // Threads that librdkafka keeps for clients that are closing need not be waited for: all is flushed.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}
