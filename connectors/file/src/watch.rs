//! Waiting for a file to change: woken by the kernel where it can, by a timer where it cannot (network file systems).

use std::path::Path;
use std::time::Duration;

/// Longest wait; the original's only one.
const PAUSE: Duration = Duration::from_secs(1);

/// Hears of changes of one file, or of its folder while there is no file. Made before the file is looked at, so that no
/// change between the look and the wait is missed.
pub struct Watch {
    #[cfg(target_os = "linux")]
    events: Option<linux::Events>,
}

impl Watch {
    /// Watches the file at `path` for more bytes.
    pub fn on_file(path: &Path) -> Self {
        #[cfg(not(target_os = "linux"))]
        let _ = path;
        Watch {
            #[cfg(target_os = "linux")]
            events: linux::Events::on(path, linux::CONTENT),
        }
    }

    /// Watches the folder of `path` for new names.
    pub fn on_folder_of(path: &Path) -> Self {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        #[cfg(not(target_os = "linux"))]
        let _ = folder;
        Watch {
            #[cfg(target_os = "linux")]
            events: linux::Events::on(folder, linux::NAMES),
        }
    }

    /// Returns when something may have changed since this was made or last returned. Cancel-safe.
    pub async fn changed(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(events) = &mut self.events {
            tokio::select! {
                () = events.next() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use tokio::io::unix::AsyncFd;

    /// The file got more bytes.
    pub const CONTENT: WatchFlags = WatchFlags::MODIFY.union(WatchFlags::CLOSE_WRITE);
    /// The folder got a name.
    pub const NAMES: WatchFlags = WatchFlags::CREATE.union(WatchFlags::MOVED_TO);

    /// An inotify instance with one watch.
    pub struct Events(AsyncFd<OwnedFd>);

    impl Events {
        /// `None` when the system has no watch to give; the timer does then.
        pub fn on(path: &Path, what: WatchFlags) -> Option<Self> {
            let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
            inotify::add_watch(&fd, path, what).ok()?;
            #[allow(
                deprecated,
                reason = "the descriptor is owned and open as long as its AsyncFd; the replacement is unsafe"
            )]
            AsyncFd::new(fd).ok().map(Events)
        }

        /// Waits for an event and forgets all that are there.
        pub async fn next(&mut self) {
            let Ok(mut ready) = self.0.readable().await else { return };
            let mut events = [0u8; 4096];
            while rustix::io::read(ready.get_inner(), &mut events).is_ok_and(|n| n > 0) {}
            ready.clear_ready();
        }
    }
}
