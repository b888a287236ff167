//! How long a member's requests and rebalances take. Pure: the time is an argument.

use std::time::Instant;

use super::event::{Event, Request};
use crate::observer::Measured;

/// When what is under way began.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    join: Option<Instant>,
    sync: Option<Instant>,
    heartbeat: Option<Instant>,
    rebalance: Option<Instant>,
}

impl Stopwatch {
    /// A request is sent.
    pub(super) fn sent(&mut self, request: &Request, now: Instant) {
        match request {
            Request::Join { .. } => {
                self.join = Some(now);
                self.rebalance.get_or_insert(now);
            }
            Request::Sync { .. } => self.sync = Some(now),
            Request::Heartbeat(_) => self.heartbeat = Some(now),
            Request::Leave { .. } => {}
        }
    }

    /// What the answer in `event` says was measured.
    pub(super) fn answered(&mut self, event: &Event, now: Instant) -> Vec<Measured> {
        let since = |began: Option<Instant>| began.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
        match event {
            Event::Joined(_, Ok(answer)) if answer.error.is_none() => vec![Measured::Joined(since(self.join.take()))],
            Event::Synced(_, Ok(answer)) if answer.error.is_none() => {
                vec![Measured::Synced(since(self.sync.take())), Measured::Rebalanced(since(self.rebalance.take()))]
            }
            Event::Joined(..) | Event::Synced(..) => vec![Measured::RebalanceFailed],
            Event::Heartbeat(_, Ok(_)) => vec![Measured::Heartbeat(since(self.heartbeat.take()))],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use kafka_protocol::ResponseError;

    use super::super::event::{Failure, Generation, JoinAnswer, SyncAnswer, Ticket};
    use super::*;

    fn joined(error: Option<ResponseError>) -> Event {
        let answer = JoinAnswer {
            error,
            generation: 1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            member_id: String::new(),
            members: Vec::new(),
        };
        Event::Joined(Ticket(1), Ok(answer))
    }

    #[test]
    fn a_rebalance_lasts_from_the_first_attempt_to_the_assignment() {
        let (mut watch, begin) = (Stopwatch::default(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        let join = || Request::Join { member_id: String::new(), protocols: Vec::new(), reason: String::new() };
        watch.sent(&join(), at(0));
        let needs_id = joined(Some(ResponseError::MemberIdRequired));
        assert_eq!(watch.answered(&needs_id, at(10)), [Measured::RebalanceFailed]);
        watch.sent(&join(), at(20));
        assert_eq!(watch.answered(&joined(None), at(50)), [Measured::Joined(Duration::from_millis(30))]);
        watch.sent(&Request::Sync { generation: Generation::none(), assignments: Vec::new() }, at(50));
        let answer = SyncAnswer { error: None, protocol_type: None, protocol: None, assignment: Bytes::new() };
        let (sync, whole) = (Duration::from_millis(5), Duration::from_millis(55));
        assert_eq!(
            watch.answered(&Event::Synced(Ticket(2), Ok(answer)), at(55)),
            [Measured::Synced(sync), Measured::Rebalanced(whole)]
        );
        watch.sent(&Request::Heartbeat(Generation::none()), at(100));
        let beat = Measured::Heartbeat(Duration::from_millis(2));
        assert_eq!(watch.answered(&Event::Heartbeat(Ticket(3), Ok(None)), at(102)), [beat]);
        let lost = Event::Heartbeat(Ticket(4), Err(Failure::Unavailable("gone".to_owned())));
        assert_eq!(watch.answered(&lost, at(200)), []);
    }
}
