//! The flow of a source task, where records and offsets end together: when transactions end, and what is durable then.

use couplet_api::Result;
use couplet_api::source::{Durable, TransactionEnd};
use couplet_kafka::clients::Failure;
use tokio::time::Instant;

use super::source_flow::SourceFlow;

impl SourceFlow {
    /// Ends a transaction with its batch, where that is the boundary.
    pub(super) fn batch_sent(&mut self) -> Result<()> {
        match &mut self.transactions {
            Some(transactions) if std::mem::take(&mut self.batch_open) => transactions.batch_sent(&self.submitted),
            _ => Ok(()),
        }
    }

    /// A transaction is due to end although no batch came.
    ///
    /// # Errors
    /// The error that fails the task.
    pub(super) fn end_transaction(&mut self) -> Result<()> {
        match &mut self.transactions {
            Some(transactions) if !transactions.is_ending() => {
                transactions.end(TransactionEnd::Commit, &self.submitted)
            }
            _ => Ok(()),
        }
    }

    /// When offsets, or the open transaction, are to be committed.
    pub(super) fn commit_due(&self) -> Option<Instant> {
        match &self.transactions {
            Some(transactions) => transactions.due(&self.submitted).filter(|_| self.is_between_batches()),
            None => self.commit.due(&self.submitted).into_iter().chain(self.passed_over.due()).min(),
        }
    }

    /// Begins to commit.
    ///
    /// # Errors
    /// The error that fails the task.
    pub(super) fn commit(&mut self) -> Result<()> {
        if self.transactions.is_some() {
            return self.end_transaction();
        }
        self.finish_passed_over(false);
        self.commit.begin(&mut self.submitted);
        Ok(())
    }

    /// The task rests: an open transaction must not stay open for as long as it does.
    ///
    /// # Errors
    /// The error that fails the task.
    pub(super) fn end_soon(&mut self) -> Result<()> {
        let between = self.is_between_batches();
        match &mut self.transactions {
            Some(transactions) if between && transactions.ends_with_task() => self.end_transaction(),
            Some(transactions) => {
                transactions.end_soon();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A step of a transaction's end is over. Returns what is durable when it was the last.
    ///
    /// # Errors
    /// The error that fails the task.
    pub(super) fn ended(&mut self, outcome: Result<(), Failure>) -> Result<Option<Vec<Durable>>> {
        match &mut self.transactions {
            Some(transactions) => transactions.next(outcome, &mut self.submitted),
            None => Ok(None),
        }
    }

    /// Ends the transaction that is open when the task ends, unless that is the task's own decision. Returns what is durable.
    ///
    /// # Errors
    /// When it was not committed.
    pub(super) async fn end_last_transaction(&mut self) -> Result<Vec<Durable>> {
        let mut durable = self.finish_ending().await?;
        if !self.defines_transactions {
            self.end_transaction()?;
            durable.extend(self.finish_ending().await?);
        }
        Ok(durable)
    }

    /// Waits until no transaction is ending.
    async fn finish_ending(&mut self) -> Result<Vec<Durable>> {
        let (mut durable, mut arrived, reports) = (Vec::new(), Vec::new(), self.reports.clone());
        while let Some(transactions) = self.transactions.as_mut().filter(|own| own.is_ending()) {
            tokio::select! {
                biased;
                () = reports.take(&mut arrived) => self.on_reports(&mut arrived)?,
                outcome = transactions.step() => durable.extend(self.ended(outcome)?.unwrap_or_default()),
            }
        }
        Ok(durable)
    }
}
