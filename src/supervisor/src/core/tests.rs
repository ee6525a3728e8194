use super::*;

fn problem() -> Problem {
    Problem { subject: "interface outside".into(), text: "no device matches".into() }
}

fn proven() -> Event {
    ended(Outcome::Proven(vec!["add 192.0.2.2/24".into()]))
}

fn failed() -> Event {
    ended(Outcome::Failed(problem()))
}

fn ended(outcome: Outcome) -> Event {
    Event::Converged { outcome, took: Duration::from_millis(50) }
}

#[test]
fn a_long_look_is_followed_by_a_long_pause() {
    let now = Instant::now();
    let (mut core, _) = Core::start(now, vec![Origin::Generation(1)], vec![]);
    let took = Duration::from_secs(3);
    let _ = core.handle(now, Event::Converged { outcome: Outcome::Proven(vec![]), took });
    assert_eq!(core.deadline(), Some(now + took * LOOK_SHARE));
    assert_eq!(core.handle(now, Event::Disturbed), []);
    assert_eq!(core.deadline(), Some(now + DEBOUNCE), "but a sign is still looked at soon");
}

#[test]
fn a_candidate_that_is_proven_is_saved_and_serves() {
    let now = Instant::now();
    let (mut core, commands) = Core::start(now, vec![Origin::Candidate, Origin::Generation(3)], vec![]);
    assert_eq!(commands, [Command::Converge { position: 0, partial: false }]);
    assert_eq!(core.state(), State::Starting);
    assert_eq!(core.handle(now, proven()), [Command::Save, Command::Ready]);
    assert_eq!(core.state(), State::Serving);
    assert_eq!(core.handle(now, Event::Saved(Ok(4))), []);
    assert_eq!(core.origin(), Origin::Generation(4));
}

#[test]
fn a_candidate_that_is_never_proven_is_refused_and_the_generation_runs() {
    let now = Instant::now();
    let (mut core, _) = Core::start(now, vec![Origin::Candidate, Origin::Generation(3)], vec![]);
    assert_eq!(core.handle(now, failed()), [], "patience first");
    assert_eq!(
        core.handle(now + START_RETRY, Event::Tick),
        [Command::Converge { position: 0, partial: false }]
    );
    let late = now + PATIENCE;
    let commands = core.handle(late, failed());
    assert!(matches!(
        &commands[..],
        [Command::Complain(_), Command::Refuse(_), Command::Converge { position: 1, partial: false }]
    ));
    assert_eq!(core.handle(late, proven()), [Command::Ready], "a generation is not saved again");
    assert_eq!(core.origin(), Origin::Generation(3));
    assert_eq!(core.problems().count(), 1, "status still tells why the candidate does not run");
}

#[test]
fn without_any_configuration_the_box_is_fail_secure() {
    let now = Instant::now();
    let (mut core, commands) = Core::start(now, vec![], vec![problem()]);
    assert_eq!(commands, [Command::Converge { position: 0, partial: false }]);
    assert_eq!(core.handle(now, proven()), [Command::Ready]);
    assert_eq!(core.state(), State::FailSecure);
}

#[test]
fn a_foreign_change_is_looked_at_soon_and_its_repair_is_told() {
    let now = Instant::now();
    let (mut core, _) = Core::start(now, vec![Origin::Generation(1)], vec![]);
    let _ = core.handle(now, proven());
    assert_eq!(core.deadline(), Some(now + LOOK));
    assert_eq!(core.handle(now, Event::Disturbed), []);
    assert_eq!(core.deadline(), Some(now + DEBOUNCE));
    assert_eq!(core.handle(now + DEBOUNCE, Event::Tick), [Command::Converge { position: 0, partial: true }]);
    assert_eq!(core.deadline(), None, "one convergence at a time");
    assert_eq!(core.handle(now, Event::Disturbed), []);
    let commands = core.handle(now + DEBOUNCE, proven());
    assert_eq!(commands, [Command::Repaired(vec!["add 192.0.2.2/24".into()])]);
    assert_eq!(core.deadline(), Some(now + DEBOUNCE), "a change during the look is looked at too");
}

#[test]
fn a_problem_that_lasts_is_told_once_and_makes_the_box_degraded() {
    let now = Instant::now();
    let (mut core, _) = Core::start(now, vec![Origin::Generation(1)], vec![]);
    let _ = core.handle(now, proven());
    let _ = core.handle(now + LOOK, Event::Tick);
    assert_eq!(core.handle(now, failed()), [Command::Complain(problem())]);
    assert_eq!(core.state(), State::Degraded);
    let _ = core.handle(now, Event::Tick);
    assert_eq!(core.handle(now, failed()), []);
    let _ = core.handle(now, Event::Tick);
    assert_eq!(core.handle(now, ended(Outcome::Proven(vec![]))), []);
    assert_eq!(core.state(), State::Serving);
}

#[test]
fn a_tick_during_a_convergence_starts_no_second_one() {
    let now = Instant::now();
    let (mut core, _) = Core::start(now, vec![Origin::Generation(1)], vec![]);
    assert_eq!(core.handle(now, Event::Tick), []);
}

#[test]
fn a_generation_that_lacks_a_port_serves_with_the_others() {
    let now = Instant::now();
    let (mut core, _) = Core::start(now, vec![Origin::Generation(1)], vec![]);
    let _ = core.handle(now, failed());
    let commands = core.handle(now + PATIENCE, failed());
    assert_eq!(
        commands,
        [Command::Complain(problem()), Command::Ready, Command::Converge { position: 0, partial: true }]
    );
    assert_eq!(core.state(), State::Degraded);
}
