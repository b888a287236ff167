//! Child processes that cannot outlive us, and those that should.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::wait::Deadline;

/// What to start, under which name, and where its output goes.
#[derive(Debug, Clone)]
pub struct Launch {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    folder: Option<PathBuf>,
    log: PathBuf,
    user: Option<String>,
    death_signal: &'static str,
}

impl Launch {
    /// `log` receives standard output and standard error, appended.
    pub fn new(name: &str, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            folder: None,
            log: log.into(),
            user: None,
            death_signal: "KILL",
        }
    }

    /// Appends arguments.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }

    /// Sets the working folder.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Runs as another user of the machine; only root can.
    pub fn user(mut self, user: Option<&str>) -> Self {
        self.user = user.map(str::to_owned);
        self
    }

    /// The signal (`KILL`, `QUIT`, ...) that the kernel sends when this process dies without stopping the child.
    pub fn death_signal(mut self, signal: &'static str) -> Self {
        self.death_signal = signal;
        self
    }

    /// Starts it as the leader of a group of its own, which ends when the [`Process`] is dropped or this process dies.
    pub fn spawn(&self) -> Result<Process> {
        let child = spawn_from_lasting_thread(self.command(Some(self.death_signal))?)
            .with_context(|| format!("cannot start {} ({})", self.name, self.program.display()))?;
        Ok(Process { name: self.name.clone(), child, log: self.log.clone() })
    }

    /// Starts it so that it goes on when this process ends, and returns its process id.
    pub fn spawn_detached(&self) -> Result<u32> {
        let child = self.command(None)?.spawn();
        let child = child.with_context(|| format!("cannot start {} ({})", self.name, self.program.display()))?;
        Ok(child.id())
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started or its exit status is not 0; the message has the end of its output.
    pub fn run(&self) -> Result<()> {
        let mut process = self.spawn()?;
        let status = process.child.wait()?;
        if !status.success() {
            bail!("{} ended with {status}:\n{}", self.name, process.log_tail());
        }
        Ok(())
    }

    /// `setpriv` (util-linux, on every Debian) sets the parent-death signal and the user, so that no unsafe code is needed here.
    fn command(&self, death_signal: Option<&str>) -> Result<Command> {
        if let Some(folder) = self.log.parent() {
            fs::create_dir_all(folder)?;
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = Command::new("setpriv");
        if let Some(signal) = death_signal {
            command.args(["--pdeathsig", signal]);
        }
        if let Some(user) = &self.user {
            command
                .args([format!("--reuid={user}"), format!("--regid={}", primary_group(user)?)])
                .arg("--clear-groups");
        }
        command.arg("--").arg(&self.program).args(&self.args).envs(self.env.iter().map(|(k, v)| (k, v)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        Ok(command)
    }
}

fn primary_group(user: &str) -> Result<u32> {
    Ok(user_ids(user)?.1)
}

/// User and primary group id of a local user.
pub fn user_ids(user: &str) -> Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|l| l.split(':').next() == Some(user));
    let fields: Vec<&str> = line.with_context(|| format!("no user {user} on this machine"))?.split(':').collect();
    Ok((fields[2].parse()?, fields[3].parse()?))
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

type SpawnJob = (Command, SyncSender<std::io::Result<Child>>);

/// The kernel sends the parent-death signal when the *thread* that forked ends, and test threads and the threads of tokio's
/// blocking pool end early. So one thread that lives as long as the process does all the forking.
fn spawn_from_lasting_thread(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<SyncSender<SpawnJob>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue): (SyncSender<SpawnJob>, Receiver<SpawnJob>) = sync_channel(1);
        thread::spawn(move || {
            for (mut command, reply) in queue {
                // The asker waits for exactly this one answer; it cannot be gone.
                let _ = reply.send(command.spawn());
            }
        });
        jobs
    });
    let (reply, answer) = sync_channel(1);
    spawner.send((command, reply)).context("the spawning thread ended")?;
    Ok(answer.recv().context("the spawning thread ended")??)
}

/// A running child process and its group. Dropping it kills the group.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Process id; `setpriv` has replaced itself by the program, so it is the program's.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// File with its output.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Exit status once it has ended by itself.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// # Errors
    /// When the process has ended; the message has the end of its output.
    pub fn check_running(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} ended with {status}:\n{}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// Freezes it (SIGSTOP), as a machine does that is out of memory, or a virtual machine that is moved.
    pub fn freeze(&self) -> Result<()> {
        Ok(kill_process(self.raw_pid()?, Signal::STOP)?)
    }

    /// Lets it go on after [`Process::freeze`].
    pub fn thaw(&self) -> Result<()> {
        Ok(kill_process(self.raw_pid()?, Signal::CONT)?)
    }

    /// Asks it to stop (SIGTERM) and waits; after `grace_secs` it is killed and that is an error.
    pub async fn stop(&mut self, grace_secs: u64) -> Result<ExitStatus> {
        self.end(Signal::TERM, grace_secs).await
    }

    /// As [`Process::stop`], by SIGINT.
    pub async fn interrupt(&mut self, grace_secs: u64) -> Result<ExitStatus> {
        self.end(Signal::INT, grace_secs).await
    }

    /// As [`Process::stop`], by SIGQUIT.
    pub async fn quit(&mut self, grace_secs: u64) -> Result<ExitStatus> {
        self.end(Signal::QUIT, grace_secs).await
    }

    async fn end(&mut self, signal: Signal, grace_secs: u64) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        kill_process(self.raw_pid()?, signal)?;
        let deadline = Deadline::after_secs(grace_secs);
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if deadline.is_over() {
                self.kill();
                bail!("{} did not stop within {grace_secs} s:\n{}", self.name, self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills the whole group at once (SIGKILL) and reaps the leader.
    pub fn kill(&mut self) {
        if let Ok(pid) = self.raw_pid() {
            // Fails only when the group is gone already.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }

    /// The last 4 KiB of its output.
    pub fn log_tail(&self) -> String {
        tail(&self.log, 4096)
    }

    fn raw_pid(&self) -> Result<Pid> {
        Pid::from_raw(i32::try_from(self.child.id())?).context("process id 0")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last `bytes` of a text file; empty when it cannot be read.
pub fn tail(path: &Path, bytes: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(text)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// Sends SIGTERM, and SIGKILL after `grace_secs`, to a group started by [`Launch::spawn_detached`].
pub async fn stop_detached(pid: u32, grace_secs: u64) -> Result<()> {
    let group = Pid::from_raw(i32::try_from(pid)?).context("process id 0")?;
    if kill_process_group(group, Signal::TERM).is_err() {
        return Ok(());
    }
    let deadline = Deadline::after_secs(grace_secs);
    while Path::new(&format!("/proc/{pid}")).exists() {
        if deadline.is_over() {
            let _ = kill_process_group(group, Signal::KILL);
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: &Path) -> Launch {
        Launch::new("script", "sh", log).args(["-c", script])
    }

    #[tokio::test]
    async fn stop_waits_for_the_end_and_kill_takes_the_group_along() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut polite =
            shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done", &log).spawn().unwrap();
        while !tail(&log, 100).contains("up") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(polite.stop(10).await.unwrap().code(), Some(3));
        assert!(polite.log_tail().contains("bye"));

        let children = folder.path().join("children");
        let parent = shell("sleep 1000 & echo $! ; wait", &children).spawn().unwrap();
        let grandchild = loop {
            if let Ok(pid) = tail(&children, 100).trim().parse::<u32>() {
                break pid;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        drop(parent);
        let gone = || {
            let state = fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        let deadline = Deadline::after_secs(10);
        while !gone() {
            assert!(!deadline.is_over(), "process {grandchild} outlived its group");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[test]
    fn a_failed_run_shows_its_output() {
        let folder = tempfile::tempdir().unwrap();
        let error = shell("echo no such thing; exit 4", &folder.path().join("log")).run().unwrap_err().to_string();
        assert!(error.contains("no such thing") && error.contains('4'), "{error}");
    }
}
