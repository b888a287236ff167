//! What is refused, in which words, and what is done meanwhile.

use std::collections::VecDeque;

use couplet_api::config::Props;

use super::event::{Action, Answer, Command, Event, Failure, Outcome, Step};
use super::solo_group::{SETTINGS, SoloGroup};
use super::state::HerderState;
use super::{ClusterSnapshot, ConnectorState, HerderError, NewConnector, RestartRequest, snapshot};
use crate::plugins::Plugins;
use crate::storage::config_store::ConfigRecord;
use crate::storage::status_store::StatusRecord;
use crate::worker::{TargetState, TaskEvent, TaskId};
use crate::worker_config::Mode;

/// A herder, in a group of one if it is distributed.
struct Bench {
    state: HerderState,
    group: SoloGroup,
}

impl Bench {
    /// Takes an event and what follows from it in the group; returns what else is to be done.
    fn on(&mut self, event: Event) -> Vec<Action> {
        let (mut events, mut others) = (VecDeque::from([event]), Vec::new());
        while let Some(event) = events.pop_front() {
            for action in self.state.on(event) {
                match action {
                    Action::GroupDone(..) | Action::Rejoin(_) | Action::RejoinAfter(_) => {
                        events.extend(self.group.on(action, &self.state));
                    }
                    action => others.push(action),
                }
            }
        }
        others
    }
}

/// A herder with a running connector `c` that has one task, and a stopped connector `s` that had one.
fn herder(mode: Mode) -> Bench {
    let settings = (mode == Mode::Distributed).then_some(SETTINGS);
    let state = HerderState::new(settings, "w:1".to_owned(), Plugins::default(), true);
    let mut bench = Bench { state, group: SoloGroup::default() };
    let task = |name: &str| TaskId { connector: name.into(), task: 0 };
    for name in ["c", "s"] {
        let config = Props::from_iter([("name", name)]);
        bench.on(Event::Config(ConfigRecord::Connector(name.to_owned(), Some(config.clone())), None));
        bench.on(Event::Config(ConfigRecord::Task(task(name), config), None));
        bench.on(Event::Config(ConfigRecord::Commit(name.to_owned(), 1), None));
    }
    bench.on(Event::Config(ConfigRecord::Commit("s".to_owned(), 0), None));
    bench.on(Event::Config(ConfigRecord::Target("s".to_owned(), Some(TargetState::Stopped)), None));
    bench.on(Event::Loaded);
    if mode == Mode::Distributed {
        assert!(!bench.state.is_ready(), "nothing is done before there is a group");
        let joins = bench.group.join(&bench.state);
        bench.on(joins);
    }
    assert!(bench.state.is_ready());
    for name in ["c", "s"] {
        finish(&mut bench, name, Outcome::ConnectorStarted(Ok(())));
    }
    finish(&mut bench, "c", Outcome::TasksStarted(Vec::new()));
    finish(&mut bench, "c", Outcome::TaskConfigs(Ok(vec![Props::from_iter([("name", "c")])])));
    assert!(bench.state.is_idle(), "set up");
    bench
}

/// Ends a step; what follows from it is left to do, states written come back at once.
fn finish(bench: &mut Bench, name: &str, outcome: Outcome) -> Vec<Action> {
    let actions = bench.on(Event::StepDone(name.to_owned(), outcome));
    for action in &actions {
        if let Action::WriteStatus(record) = action {
            bench.on(Event::Status(record.clone()));
        }
    }
    actions
}

fn answer(state: &mut Bench, command: Command) -> Option<Result<Answer, HerderError>> {
    let actions = state.on(Event::Command(1, command));
    actions.into_iter().find_map(|action| if let Action::Reply(1, answer) = action { Some(answer) } else { None })
}

fn put(name: &str) -> Command {
    let new = NewConnector { name: name.to_owned(), config: Props::new(), initial_state: None, replace: false };
    Command::Put { new, base: None }
}

fn refusal(mode: Mode, command: Command) -> HerderError {
    let shown = format!("{command:?}");
    answer(&mut herder(mode), command).unwrap_or_else(|| panic!("{shown} is answered")).expect_err("is refused")
}

#[test]
fn refusals_have_the_words_and_kinds_of_the_jvm() {
    use HerderError::{BadRequest, Conflict, Failed, NotFound};
    let x = || "x".to_owned();
    let task = |name: &str, task| TaskId { connector: name.into(), task };
    let include = RestartRequest { include_tasks: true, only_failed: false };
    let must_stop = |name: &str| {
        format!(
            "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
             specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
        )
    };
    let distributed: Vec<(Command, HerderError)> = vec![
        (put("c"), Conflict("Connector c already exists".into())),
        (Command::Delete(x()), NotFound("Connector x not found".into())),
        (Command::Target(x(), TargetState::Paused), NotFound("Unknown connector x".into())),
        (Command::Target(x(), TargetState::Stopped), NotFound("Unknown connector x".into())),
        (Command::Restart(x(), RestartRequest::default()), NotFound("Unknown connector: x".into())),
        (Command::Restart(x(), include), NotFound("Unknown connector: x".into())),
        (Command::RestartTask(task("x", 0)), NotFound("Unknown connector: x".into())),
        (Command::RestartTask(task("c", 7)), NotFound("Unknown task: c-7".into())),
        // REST answers that no leader is known.
        (Command::RestartTask(task("s", 0)), HerderError::Elsewhere(None)),
        (Command::AlterOffsets(x(), None), NotFound("Connector x not found".into())),
        (Command::AlterOffsets("c".into(), None), BadRequest(must_stop("c"))),
    ];
    for (command, want) in distributed {
        assert_eq!(refusal(Mode::Distributed, command), want);
    }
    let standalone: Vec<(Command, HerderError)> = vec![
        (Command::Delete(x()), NotFound("Connector x not found".into())),
        (Command::Target(x(), TargetState::Stopped), Failed("No connector `x` configured".into())),
        (Command::Restart(x(), include), NotFound("Unknown connector: x".into())),
        (Command::Restart(x(), RestartRequest::default()), Failed("Unknown connector: x".into())),
        (
            Command::RestartTask(task("x", 0)),
            Failed("Failed to start task x-0 since it is not a recognizable type (source or sink)".into()),
        ),
    ];
    for (command, want) in standalone {
        assert_eq!(refusal(Mode::Standalone, command), want);
    }
}

#[test]
fn a_wish_waits_for_the_write_before_it() {
    let mut state = herder(Mode::Distributed);
    let first = state.on(Event::Command(1, put("new")));
    assert!(matches!(&first[..], [Action::WriteConfig(_)]), "{first:?}");
    assert_eq!(state.on(Event::Command(2, put("new"))), []);
    assert!(!state.state.takes_commands());
    state.on(Event::Config(ConfigRecord::Connector("new".into(), Some(Props::new())), None));
    let written = state.on(Event::Written(Ok(())));
    let created = Answer::Written { created: true, config: Props::new(), tasks: 0 };
    let exists = HerderError::Conflict("Connector new already exists".into());
    assert_eq!(written, [Action::Reply(1, Ok(created)), Action::Reply(2, Err(exists))]);
}

#[test]
fn a_failed_write_is_told() {
    let mut state = herder(Mode::Distributed);
    state.on(Event::Command(1, Command::Delete("c".into())));
    let told = state.on(Event::Written(Err("no".into())));
    assert_eq!(told, [Action::Reply(1, Err(HerderError::Failed("no".into())))]);
    assert!(state.state.is_idle() && state.state.takes_commands());
}

#[test]
fn steps_of_a_connector_follow_one_another() {
    let mut state = herder(Mode::Distributed);
    let updated = || Event::Config(ConfigRecord::Connector("c".into(), Some(Props::from_iter([("a", "b")]))), None);
    assert_eq!(state.on(updated()), [Action::Run("c".into(), Step::StopConnector)]);
    assert_eq!(state.on(updated()), [], "waits");
    let next = finish(&mut state, "c", Outcome::ConnectorStopped);
    assert!(next.contains(&Action::Run("c".into(), Step::StartConnector)), "{next:?}");
    let next = finish(&mut state, "c", Outcome::ConnectorStarted(Ok(())));
    assert!(next.contains(&Action::Run("c".into(), Step::StopConnector)), "the second update: {next:?}");
}

/// A connector that hangs in its start can be changed, deleted and shut down.
#[test]
fn a_start_is_given_up_for_a_stop() {
    let removed = || Event::Config(ConfigRecord::Connector("n".into(), None), None);
    let updated = || Event::Config(ConfigRecord::Connector("n".into(), Some(Props::new())), None);
    for end in [removed(), updated(), Event::Shutdown] {
        let shown = format!("{end:?}");
        let mut state = herder(Mode::Distributed);
        assert_eq!(state.on(updated()), [Action::Run("n".into(), Step::StartConnector)]);
        assert!(state.on(end).contains(&Action::Interrupt("n".into())), "{shown}");
        let next = finish(&mut state, "n", Outcome::Interrupted);
        assert_eq!(next, [Action::Run("n".into(), Step::StopConnector)], "{shown}");
    }
}

#[test]
fn task_configs_are_asked_for_again_only_when_that_may_help() {
    let failure = |retriable| Outcome::TaskConfigs(Err(Failure { retriable, trace: "C: m\n".into() }));
    let mut state = herder(Mode::Distributed);
    for millis in [250, 500, 1000] {
        assert_eq!(state.on(Event::Reconfigure("c".into())), [Action::Run("c".into(), Step::MakeTaskConfigs)]);
        let pause = std::time::Duration::from_millis(millis);
        assert_eq!(finish(&mut state, "c", failure(true)), [Action::ReconfigureAfter("c".into(), pause)]);
    }
    state.on(Event::Reconfigure("c".into()));
    let said = finish(&mut state, "c", failure(false));
    assert!(matches!(&said[..], [Action::WriteStatus(StatusRecord::Status(_, Some(s)))] if s.status.trace.is_some()));
    assert_eq!(state.on(Event::Reconfigure("c".into())), [], "a failed connector is not asked");
}

#[test]
fn a_promised_restart_is_seen_from_the_answer_on_until_the_status_log_tells() {
    let mut state = herder(Mode::Distributed);
    let shown = |bench: &mut Bench| {
        let seen = snapshot::next(&ClusterSnapshot::default(), &mut bench.state, &Plugins::default())
            .expect("something changed");
        seen.connectors["c"].status.as_ref().map(|status| status.state)
    };
    let request = RestartRequest { include_tasks: true, only_failed: false };
    assert_eq!(shown(&mut state), Some(ConnectorState::Running));
    state.on(Event::Command(1, Command::Restart("c".into(), request)));
    assert_eq!(shown(&mut state), Some(ConnectorState::Restarting), "before anything was stopped");
    state.on(Event::Written(Err("no broker".into())));
    assert_eq!(shown(&mut state), Some(ConnectorState::Running), "nothing was written");

    state.on(Event::Command(1, Command::Restart("c".into(), request)));
    state.on(Event::Written(Ok(())));
    state.on(Event::Config(ConfigRecord::Restart("c".into(), request), None));
    finish(&mut state, "c", Outcome::ConnectorStopped);
    assert_eq!(shown(&mut state), Some(ConnectorState::Restarting), "while it stops");
    finish(&mut state, "c", Outcome::ConnectorStarted(Ok(())));
    assert_eq!(shown(&mut state), Some(ConnectorState::Running), "it runs again");
}

#[test]
fn what_a_task_says_after_its_end_does_not_count() {
    let mut state = herder(Mode::Distributed);
    let id = TaskId { connector: "c".into(), task: 0 };
    let said = |state: &mut Bench| state.on(Event::Task(id.clone(), TaskEvent::Running)).len();
    assert_eq!(said(&mut state), 1);
    state.on(Event::Command(1, Command::RestartTask(id.clone())));
    finish(&mut state, "c", Outcome::TasksStopped(vec![0]));
    assert_eq!(said(&mut state), 1, "the new one may speak");
    finish(&mut state, "c", Outcome::TasksStarted(Vec::new()));
    state.on(Event::Config(ConfigRecord::Connector("c".into(), None), None));
    finish(&mut state, "c", Outcome::TasksStopped(vec![0]));
    assert_eq!(said(&mut state), 0);
}

#[test]
fn standalone_answers_when_there_are_tasks() {
    let mut state = herder(Mode::Standalone);
    let config = Props::from_iter([("name", "n")]);
    let new = NewConnector { name: "n".into(), config: config.clone(), initial_state: None, replace: true };
    state.on(Event::Command(1, Command::Put { new, base: None }));
    state.on(Event::Config(ConfigRecord::Connector("n".into(), Some(config.clone())), None));
    assert_eq!(state.on(Event::Written(Ok(()))), []);
    finish(&mut state, "n", Outcome::ConnectorStarted(Ok(())));
    finish(&mut state, "n", Outcome::TaskConfigs(Ok(vec![config.clone()])));
    state.on(Event::Config(ConfigRecord::Task(TaskId { connector: "n".into(), task: 0 }, config.clone()), None));
    state.on(Event::Config(ConfigRecord::Commit("n".into(), 1), None));
    let answered = state.on(Event::Written(Ok(())));
    assert_eq!(answered, [Action::Reply(1, Ok(Answer::Written { created: true, config, tasks: 1 }))]);
}
