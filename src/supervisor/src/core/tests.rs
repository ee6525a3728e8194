use super::*;

mod commit;

const START: Manner = Manner { partial: false, depth: Depth::Anew, live: false };
const BRIEF: Manner = Manner { partial: true, depth: Depth::Brief, live: false };
const WHOLE: Manner = Manner { partial: true, depth: Depth::Whole, live: false };
const ANEW: Manner = Manner { partial: true, depth: Depth::Anew, live: false };

fn problem() -> Problem {
    Problem { subject: "interface outside".into(), text: "no device matches".into() }
}

fn proven() -> Event<&'static str> {
    ended(Outcome::Proven(vec!["add 192.0.2.2/24".into()]))
}

fn failed() -> Event<&'static str> {
    ended(Outcome::Failed(problem()))
}

fn ended(outcome: Outcome) -> Event<&'static str> {
    Event::Converged { outcome, took: Duration::from_millis(50) }
}

fn start(now: Instant, origins: &[Origin]) -> (Core<&'static str>, Vec<Command>) {
    let attempts = origins.iter().map(|origin| Attempt { origin: *origin, payload: Some("first") });
    Core::start(now, attempts.collect(), vec![])
}

/// A convergence that proves what was asked for, and vrrpd's consent.
fn succeed(core: &mut Core<&'static str>, now: Instant) -> Vec<Command> {
    let mut commands = core.handle(now, proven());
    assert_eq!(commands.remove(0), Command::Instruct);
    commands.extend(core.handle(now, Event::Instructed(Ok(()))));
    commands
}

/// A box that serves generation 1.
fn settled(now: Instant) -> Core<&'static str> {
    let (mut core, commands) = start(now, &[Origin::Generation(1)]);
    assert_eq!(commands, [Command::Converge(START)]);
    assert_eq!(succeed(&mut core, now), [Command::Ready]);
    core
}

#[test]
fn a_long_look_is_followed_by_a_long_pause() {
    let now = Instant::now();
    let mut core = settled(now);
    let took = Duration::from_secs(3);
    assert_eq!(core.handle(now + LOOK, Event::Tick), [Command::Converge(WHOLE)]);
    let _ = core.handle(now, Event::Converged { outcome: Outcome::Proven(vec![]), took });
    assert_eq!(core.deadline(), Some(now + took * LOOK_SHARE));
    assert_eq!(core.handle(now, Event::Disturbed), []);
    assert_eq!(core.deadline(), Some(now + DEBOUNCE), "but a sign is still looked at soon");
}

#[test]
fn a_candidate_that_is_proven_is_saved_and_serves() {
    let now = Instant::now();
    let (mut core, _) = start(now, &[Origin::Candidate, Origin::Generation(3)]);
    assert_eq!(core.state(), State::Starting);
    assert_eq!(succeed(&mut core, now), [Command::Save { current: true }]);
    assert_eq!(core.state(), State::Starting, "what serves is on the disk");
    assert_eq!(core.handle(now, Event::Saved(Ok(4))), [Command::Ready]);
    assert_eq!(core.state(), State::Serving);
    assert_eq!(core.origin(), Origin::Generation(4));
}

#[test]
fn a_candidate_that_cannot_be_saved_serves_and_status_says_so() {
    let now = Instant::now();
    let (mut core, _) = start(now, &[Origin::Candidate]);
    let _ = succeed(&mut core, now);
    let commands = core.handle(now, Event::Saved(Err("the disk is full".into())));
    assert!(matches!(&commands[..], [Command::Complain(_), Command::Ready]));
    assert_eq!(core.problems().count(), 1);
}

#[test]
fn a_candidate_that_is_never_proven_is_refused_and_the_generation_runs() {
    let now = Instant::now();
    let (mut core, _) = start(now, &[Origin::Candidate, Origin::Generation(3)]);
    assert_eq!(core.handle(now, failed()), [], "patience first");
    assert_eq!(core.handle(now + START_RETRY, Event::Tick), [Command::Converge(START)]);
    let late = now + PATIENCE;
    let commands = core.handle(late, failed());
    assert!(matches!(
        &commands[..],
        [Command::Complain(_), Command::Refuse(_), Command::Converge(Manner { partial: false, .. })]
    ));
    assert_eq!(succeed(&mut core, late), [Command::Ready], "a generation is not saved again");
    assert_eq!(core.origin(), Origin::Generation(3));
    assert_eq!(core.problems().count(), 1, "status still tells why the candidate does not run");
}

#[test]
fn the_service_is_not_proven_before_vrrpd_has_its_configuration() {
    let now = Instant::now();
    let (mut core, _) = start(now, &[Origin::Generation(1)]);
    assert_eq!(core.handle(now, proven()), [Command::Instruct]);
    assert_eq!(core.deadline(), None);
    assert_eq!(core.handle(now, Event::Instructed(Err("it is not there".into()))), []);
    assert_eq!(core.state(), State::Starting);
    let _ = core.handle(now + START_RETRY, Event::Tick);
    assert_eq!(succeed(&mut core, now + START_RETRY), [Command::Ready]);
}

#[test]
fn without_any_configuration_the_box_is_fail_secure() {
    let now = Instant::now();
    let (mut core, commands) = start(now, &[]);
    assert_eq!(commands, [Command::Converge(START)]);
    assert_eq!(succeed(&mut core, now), [Command::Ready]);
    assert_eq!(core.state(), State::FailSecure);
}

#[test]
fn a_foreign_change_is_looked_at_soon_and_its_repair_is_told() {
    let now = Instant::now();
    let mut core = settled(now);
    assert_eq!(core.deadline(), Some(now + LOOK));
    assert_eq!(core.handle(now, Event::Disturbed), []);
    assert_eq!(core.deadline(), Some(now + DEBOUNCE));
    assert_eq!(core.handle(now + DEBOUNCE, Event::Tick), [Command::Converge(ANEW)]);
    assert_eq!(core.deadline(), None, "one convergence at a time");
    assert_eq!(core.handle(now, Event::Disturbed), []);
    let commands = core.handle(now + DEBOUNCE, proven());
    let repaired = Command::Repaired(vec!["add 192.0.2.2/24".into()]);
    assert_eq!(commands, [Command::Want, repaired, Command::Lock]);
    assert_eq!(core.deadline(), Some(now + DEBOUNCE), "a change during the look is looked at too");
}

#[test]
fn everything_is_looked_at_now_and_then_without_a_sign() {
    let now = Instant::now();
    let mut core = settled(now);
    for _ in 0..2 {
        assert_eq!(core.handle(now + LOOK, Event::Tick), [Command::Converge(WHOLE)]);
        let _ = core.handle(now, ended(Outcome::Proven(vec![])));
        for _ in 0..BRIEF_LOOKS {
            assert_eq!(core.handle(now + LOOK, Event::Tick), [Command::Converge(BRIEF)]);
            let _ = core.handle(now, ended(Outcome::Proven(vec![])));
        }
    }
}

#[test]
fn a_weight_by_hand_is_applied_at_once_even_when_it_comes_during_a_look() {
    let now = Instant::now();
    let mut core = settled(now);
    assert_eq!(core.handle(now, Event::Reweighed), []);
    assert_eq!(core.handle(now, Event::Tick), [Command::Converge(BRIEF)]);
    assert_eq!(core.handle(now, Event::Reweighed), []);
    let _ = core.handle(now, ended(Outcome::Proven(vec![])));
    assert_eq!(core.deadline(), Some(now));
}

#[test]
fn a_weight_is_not_kept_waiting_by_a_look_that_is_due() {
    let now = Instant::now();
    let mut core = settled(now);
    assert_eq!(core.handle(now, Event::Reweighed), []);
    assert_eq!(core.handle(now, Event::Tick), [Command::Converge(BRIEF)]);
    let _ = core.handle(now, ended(Outcome::Proven(vec![])));
    assert_eq!(core.handle(now + LOOK, Event::Tick), [Command::Converge(WHOLE)]);
}

#[test]
fn a_problem_that_lasts_is_told_once_and_makes_the_box_degraded() {
    let now = Instant::now();
    let mut core = settled(now);
    let _ = core.handle(now + LOOK, Event::Tick);
    assert_eq!(core.handle(now, failed()), [Command::Complain(problem())]);
    assert_eq!(core.state(), State::Degraded);
    assert_eq!(core.handle(now + LOOK, Event::Tick), [Command::Converge(ANEW)]);
    assert_eq!(core.handle(now, failed()), []);
    let _ = core.handle(now + LOOK, Event::Tick);
    assert_eq!(core.handle(now, ended(Outcome::Proven(vec![]))), [Command::Want, Command::Lock]);
    assert_eq!(core.state(), State::Serving);
}

#[test]
fn the_kernel_takes_no_more_modules_once_what_serves_is_proven_again() {
    let now = Instant::now();
    let look = |core: &mut Core<&'static str>| {
        let _ = core.handle(now + LOOK, Event::Tick);
        core.handle(now, ended(Outcome::Proven(vec![])))
    };
    let mut core = settled(now);
    assert_eq!(look(&mut core), [Command::Want, Command::Lock]);
    assert_eq!(look(&mut core), [Command::Want], "told once");
    let (mut core, _) = start(now, &[]);
    assert_eq!(succeed(&mut core, now), [Command::Ready]);
    assert_eq!(look(&mut core), [Command::Want], "the first configuration may need any of them");
}

#[test]
fn a_tick_during_a_convergence_starts_no_second_one() {
    let now = Instant::now();
    let (mut core, _) = start(now, &[Origin::Generation(1)]);
    assert_eq!(core.handle(now, Event::Tick), []);
}

#[test]
fn a_generation_that_lacks_a_port_serves_with_the_others() {
    let now = Instant::now();
    let (mut core, _) = start(now, &[Origin::Generation(1)]);
    let _ = core.handle(now, failed());
    let commands = core.handle(now + PATIENCE, failed());
    assert!(matches!(
        &commands[..],
        [Command::Complain(_), Command::Ready, Command::Converge(Manner { partial: true, .. })]
    ));
    assert_eq!(core.state(), State::Degraded);
}
