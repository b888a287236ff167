//! What a sink task may commit, and its last commit.

use couplet_api::Result;
use couplet_api::data::TopicPartition;
use couplet_api::sink::SinkTask;
use tokio::time::{Instant, timeout};

use super::SinkLoop;
use crate::worker::task_run::TaskRun;

impl SinkLoop {
    pub(super) async fn commit(&mut self, run: &TaskRun, task: &mut dyn SinkTask) -> Result<()> {
        self.commit_due = Instant::now() + run.commit_interval();
        let partitions = self.offsets.assigned();
        self.commit_partitions(&partitions, false, run, task).await
    }

    /// Asks the task what may be committed and commits it. A commit that fails is logged; when the task fails, reading
    /// goes back to the last commit, unless the partitions are on their way out.
    pub(super) async fn commit_partitions(
        &mut self,
        partitions: &[TopicPartition],
        closing: bool,
        run: &TaskRun,
        task: &mut dyn SinkTask,
    ) -> Result<()> {
        let seen = self.offsets.seen(partitions);
        if seen.is_empty() {
            run.metrics.commit_skipped();
            return Ok(());
        }
        run.metrics.commit_began();
        let began = Instant::now();
        self.reporter.settled().await?;
        let wanted = match task.pre_commit(&seen).await {
            Ok(wanted) => wanted,
            Err(error) if closing => {
                tracing::warn!(task = %run.id, %error, "the task could not prepare a commit of its last offsets");
                return Ok(());
            }
            Err(error) => {
                tracing::error!(task = %run.id, %error, "the task could not prepare a commit, going back to the last one");
                let committed = self.consumer.committed(partitions.to_vec()).await?;
                let points = self.offsets.restart_points(committed);
                self.go_to(&points);
                return Ok(());
            }
        };
        let offsets = self.offsets.committable(wanted);
        // What the task holds back is active still.
        let held = |(partition, end): (&TopicPartition, &i64)| end - offsets.get(partition).unwrap_or(end);
        let active = seen.iter().map(held).sum::<i64>();
        let outcome = timeout(run.commit_timeout(), self.consumer.commit(offsets.clone())).await;
        run.metrics.committed(matches!(outcome, Ok(Ok(()))), began.elapsed());
        run.metrics.holds(self.offsets.assigned().len(), u64::try_from(active).unwrap_or(0));
        match outcome {
            Ok(Ok(())) => run.metrics.arrived(&self.latency.committed(&offsets, run.shared.clock.now_ms())),
            Ok(Err(error)) => tracing::warn!(task = %run.id, %error, "failed to commit offsets"),
            Err(_) => tracing::warn!(task = %run.id, "committing offsets takes too long"),
        }
        Ok(())
    }

    /// The end: commits what was put, also after a failure as in the JVM, and closes the partitions.
    pub(super) async fn close(&mut self, run: &TaskRun, task: &mut dyn SinkTask) -> Result<()> {
        let partitions = self.offsets.assigned();
        if partitions.is_empty() {
            return Ok(());
        }
        self.commit_partitions(&partitions, true, run, task).await?;
        task.close(&partitions).await
    }
}
