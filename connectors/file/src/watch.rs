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
    use std::collections::HashMap;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use tokio::sync::Notify;

    /// The file got more bytes.
    pub const CONTENT: WatchFlags = WatchFlags::MODIFY.union(WatchFlags::CLOSE_WRITE);
    /// The folder got a name.
    pub const NAMES: WatchFlags = WatchFlags::CREATE.union(WatchFlags::MOVED_TO);

    /// The one inotify instance of the process: systems give some 128 to a user, and a worker may have more tasks.
    struct Inotify {
        fd: OwnedFd,
        /// Who waits for which watch: the same file gets the same number.
        waiting: Mutex<HashMap<i32, Vec<Arc<Notify>>>>,
    }

    impl Inotify {
        /// `None` when the system has none to give.
        fn get() -> Option<&'static Inotify> {
            static SHARED: OnceLock<Option<Inotify>> = OnceLock::new();
            static READER: OnceLock<bool> = OnceLock::new();
            let shared = SHARED.get_or_init(|| {
                let fd = inotify::init(CreateFlags::CLOEXEC).ok()?;
                Some(Inotify { fd, waiting: Mutex::default() })
            });
            let shared = shared.as_ref()?;
            let reads = READER.get_or_init(|| {
                std::thread::Builder::new().name("file-watch".to_owned()).spawn(|| shared.hand_on()).is_ok()
            });
            reads.then_some(shared)
        }

        fn waiting(&self) -> MutexGuard<'_, HashMap<i32, Vec<Arc<Notify>>>> {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Wakes whoever waits, for as long as the process lives.
        fn hand_on(&self) {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(&self.fd, &mut buffer);
            loop {
                let watch = match events.next() {
                    Ok(event) => event.wd(),
                    Err(rustix::io::Errno::INTR) => continue,
                    // Cannot happen while the descriptor is open; the timers of the tasks do then.
                    Err(_) => return,
                };
                let waiting = self.waiting();
                match waiting.get(&watch) {
                    Some(tasks) => tasks.iter().for_each(|task| task.notify_one()),
                    // The kernel lost events: any file may have changed.
                    None if watch < 0 => waiting.values().flatten().for_each(|task| task.notify_one()),
                    None => {}
                }
            }
        }
    }

    /// One task's watch of one file or folder.
    pub struct Events {
        inotify: &'static Inotify,
        watch: i32,
        changed: Arc<Notify>,
    }

    impl Events {
        /// `None` when the system has no watch to give; the timer does then.
        pub fn on(path: &Path, what: WatchFlags) -> Option<Self> {
            let (inotify, changed) = (Inotify::get()?, Arc::<Notify>::default());
            // Under the lock, so that another task's end does not take away the watch that both share.
            let mut waiting = inotify.waiting();
            let watch = inotify::add_watch(&inotify.fd, path, what | WatchFlags::MASK_ADD).ok()?;
            waiting.entry(watch).or_default().push(changed.clone());
            Some(Events { inotify, watch, changed })
        }

        /// Waits for an event. Several that are there count as one.
        pub async fn next(&mut self) {
            self.changed.notified().await;
        }
    }

    impl Drop for Events {
        fn drop(&mut self) {
            let mut waiting = self.inotify.waiting();
            let Some(tasks) = waiting.get_mut(&self.watch) else { return };
            tasks.retain(|task| !Arc::ptr_eq(task, &self.changed));
            if tasks.is_empty() {
                waiting.remove(&self.watch);
                // A file that was deleted has taken its watch along.
                let _ = inotify::remove_watch(&self.inotify.fd, self.watch);
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    use super::linux::{CONTENT, Events, NAMES};

    #[tokio::test]
    async fn more_files_are_watched_than_there_are_inotify_instances() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |number: usize| folder.path().join(number.to_string());
        let mut watched = Vec::new();
        for number in 0..300 {
            let file = std::fs::File::create(path(number)).expect("a file");
            watched.push((file, Events::on(&path(number), CONTENT).expect("a watch")));
        }
        let mut twice = Events::on(&path(7), CONTENT).expect("a watch");
        let mut names = Events::on(folder.path(), NAMES).expect("a watch");
        // One of two watches of a file may end.
        drop(Events::on(&path(7), CONTENT).expect("a watch"));
        for (file, _) in &mut watched {
            writeln!(file, "a line").expect("written");
        }
        std::fs::write(path(1000), "").expect("written");
        let all = async {
            for (_, events) in &mut watched {
                events.next().await;
            }
            twice.next().await;
            names.next().await;
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), all).await.expect("all are woken");
    }
}
