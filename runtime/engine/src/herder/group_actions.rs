//! What a herder's loop does for its group.

use std::time::Duration;

use couplet_api::config::Props;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_group::membership::MemberHandle;
use tokio::time::Instant;

use super::driver::Running;
use super::event::{Action, Event, GroupAnswer};

impl Running {
    /// Answers calls of the group that wait until all states are written.
    pub(super) fn answer_flushed(&mut self) {
        if self.after_flush.is_empty() || !self.unwritten.is_empty() || self.writing.is_some() {
            return;
        }
        for ticket in std::mem::take(&mut self.after_flush) {
            if let Some(reply) = self.group_replies.remove(&ticket) {
                // The membership may have given the call up.
                let _ = reply.send(GroupAnswer::Done);
            }
        }
    }

    pub(super) fn act_in_group(&mut self, action: Action) {
        match action {
            Action::GroupDone(ticket, GroupAnswer::Done) => self.after_flush.push(ticket),
            Action::GroupDone(ticket, answer) => {
                if let Some(reply) = self.group_replies.remove(&ticket) {
                    // The membership may have given the call up.
                    let _ = reply.send(answer);
                }
            }
            Action::RejoinAfter(pause_ms) => {
                self.rejoin_at = pause_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
            }
            Action::Rejoin(reason) => self.ask_member(async move |member| member.rejoin(&reason).await),
            Action::StepOut { reason, pause_ms } => {
                let pause = Duration::from_millis(u64::try_from(pause_ms).unwrap_or(0));
                self.ask_member(async move |member| member.step_out(&reason, pause).await);
            }
            Action::ReadConfig => self.read_config(),
            Action::SendTaskConfigs { leader, name, configs } => self.send_task_configs(leader, name, configs),
            // The others are not the group's.
            _ => {}
        }
    }

    /// The membership has room for some wishes; more of them wait without holding up the loop.
    fn ask_member<F>(&self, ask: impl FnOnce(MemberHandle) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if let Some(port) = &self.port {
            spawn(TaskKind::Herder, ask(port.handle.clone()));
        }
    }

    fn read_config(&self) {
        let (Some(writer), Some(port)) = (self.logs.config.clone(), &self.port) else { return };
        let (inbox, timeout) = (self.driver.inbox.clone(), port.sync_timeout);
        spawn(TaskKind::Herder, async move {
            let read = tokio::time::timeout(timeout, writer.log().read_to_end()).await;
            if !matches!(read, Ok(Ok(()))) {
                tracing::warn!("Didn't reach end of config log quickly enough");
            }
            inbox.push(Event::ConfigRead(matches!(read, Ok(Ok(())))));
        });
    }

    fn send_task_configs(&self, leader: String, name: String, configs: Vec<Props>) {
        let (inbox, peers) = (self.driver.inbox.clone(), self.driver.peers.clone());
        let view = self.driver.state.group_view();
        let key = view.filter(|view| view.signs_requests).and_then(|view| view.session_key);
        spawn(TaskKind::Herder, async move {
            let sent = peers.put_task_configs(&leader, &name, &configs, key.as_ref()).await;
            if let Err(why) = &sent {
                tracing::error!(connector = name, why, "Request to leader to reconfigure connector tasks failed");
            }
            inbox.push(Event::TaskConfigsSent(name, sent));
        });
    }
}
