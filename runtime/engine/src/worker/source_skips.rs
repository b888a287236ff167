//! Records of a source task that are dropped or skipped, and the letters that the latter become.

use std::sync::Arc;

use couplet_api::data::{OffsetMap, Position, Record};
use couplet_api::{Error, Result};
use couplet_kafka::clients::Failure;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::source_flow::{Hold, Ready, SourceFlow};
use crate::errors::{SourceLetters, Stage, StageError};

/// Class that stands for the producer in reports.
const PRODUCER: &str = "org.apache.kafka.connect.runtime.WorkerSourceTask";

impl SourceFlow {
    /// A transform dropped `record`.
    pub(super) fn pass_over(&mut self, record: &Record, partition: OffsetMap, position: Arc<dyn Position>) {
        // Behind a record that was sent a tombstone is the end of that one's change, which its own offset does not cover.
        let ends_a_change = record.value.is_null() && !self.passed_over.holds(&partition);
        if ends_a_change || self.transactions.is_some() {
            // Exactly once: nothing that a sent record belongs to may come again.
            return self.finish_unsent(&partition, position);
        }
        self.passed_over.hold(partition, position, Instant::now());
    }

    /// Offsets of dropped records count once they have waited, and with `all` at once.
    pub(super) fn finish_passed_over(&mut self, all: bool) {
        for (partition, position) in self.passed_over.take((!all).then(Instant::now)) {
            self.finish_unsent(&partition, position);
        }
    }

    /// Goes on without a record, if that is tolerated, after it is told of and buried.
    pub(super) fn skip(&mut self, skipped: Ready, failed: StageError) -> Result<()> {
        let letter = self.letter_of(&skipped, &failed)?;
        self.reporter.report_outgoing(Some(&skipped.record), failed)?;
        self.dropped += 1;
        self.passed_over.forget(&skipped.partition);
        let token = self.submitted.submit(&skipped.partition, skipped.position, 0);
        match letter {
            Some(letter) => self.hold = Hold::Letter(token, letter),
            None => {
                self.submitted.done(token);
            }
        }
        Ok(())
    }

    /// The letter that `skipped` becomes, if there is a queue for it.
    fn letter_of(&self, skipped: &Ready, failed: &StageError) -> Result<Option<BoxFuture<'static, Result<()>>>> {
        let Ready { record, partition, position } = skipped;
        let bury = |letters: &SourceLetters| letters.bury(record, failed, partition, &position.to_map());
        self.letters.as_ref().map(bury).transpose()
    }

    /// Begins to write the letter of a refused record, if there is one and nothing else is waited for.
    pub(super) fn bury_next(&mut self) {
        if matches!(self.hold, Hold::Free)
            && let Some((token, letter)) = self.unburied.pop_front()
        {
            self.hold = Hold::Letter(token, letter);
        }
    }

    /// Writes all letters, at the end, when nothing else is waited for any more.
    ///
    /// # Errors
    /// When one could not be written.
    pub(super) async fn bury_all(&mut self) -> Result<()> {
        loop {
            while let Hold::Letter(_, letter) = &mut self.hold {
                let outcome = letter.await;
                self.buried(outcome)?;
            }
            if self.unburied.is_empty() {
                return Ok(());
            }
            self.hold = Hold::Free;
            self.bury_next();
        }
    }

    /// A letter is durable, or could not be written.
    ///
    /// # Errors
    /// The error that fails the task: a record that is skipped must be somewhere.
    pub(super) fn buried(&mut self, outcome: Result<()>) -> Result<()> {
        let Hold::Letter(token, _) = std::mem::replace(&mut self.hold, Hold::Free) else { return Ok(()) };
        outcome?;
        self.submitted.done(token);
        self.bury_next();
        Ok(())
    }

    /// Goes on without a record that Kafka refused, if that is tolerated. `true`: it is done when its letter is durable.
    pub(super) fn refused(&mut self, token: u64, sent: Option<Ready>, failed: StageError) -> Result<bool> {
        let letter = match &sent {
            Some(sent) => self.letter_of(sent, &failed)?,
            None => None,
        };
        self.reporter.report_outgoing(sent.as_ref().map(|sent| &sent.record), failed)?;
        let is_buried = letter.is_some();
        self.unburied.extend(letter.map(|letter| (token, letter)));
        Ok(is_buried)
    }
}

/// The producer gave a record up.
pub(super) fn not_delivered(failure: Failure) -> StageError {
    let cause = failure.into_error("the producer failed");
    let error = Error::fatal("Unrecoverable exception from producer send callback").caused_by(cause);
    StageError { stage: Stage::KafkaProduce, class: PRODUCER, error }
}
