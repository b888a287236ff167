//! The one door through which background tasks are started, so that each has a name and no panic goes unseen.

use std::future::Future;

use tokio::task::JoinHandle;

/// What a background task is for; shown in logs when it panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskKind {
    /// A connector instance or one of its monitors.
    Connector,
    /// The loop of one source or sink task.
    Task,
    /// The herder or one of its helpers.
    Herder,
    /// Reader or writer of an internal topic.
    Storage,
    /// REST server or one of its requests.
    Rest,
    /// A connection to an external system.
    Client,
    /// The embedded broker.
    Broker,
}

/// Runs `future` on the current runtime. A panic is logged here and returned by the handle, as tokio does.
#[allow(clippy::disallowed_methods, reason = "this is the door the lint points to")]
pub fn spawn<F>(kind: TaskKind, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(Watched { kind, future: Box::pin(future) })
}

/// Logs the panic of the future it wraps, then lets it go on.
struct Watched<F> {
    kind: TaskKind,
    future: std::pin::Pin<Box<F>>,
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<F::Output> {
        let kind = self.kind;
        let future = self.future.as_mut();
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| future.poll(cx))) {
            Ok(poll) => poll,
            Err(panic) => {
                tracing::error!(?kind, panic = panic_text(&*panic), "background task panicked");
                std::panic::resume_unwind(panic)
            }
        }
    }
}

/// The message of a caught panic, or a placeholder when it carries none.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_reaches_the_join_handle() {
        let handle = spawn(TaskKind::Task, async { panic!("boom {}", 1) });
        let error = handle.await.expect_err("the task panicked");
        assert_eq!(panic_text(&*error.into_panic()), "boom 1");
    }
}
