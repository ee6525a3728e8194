//! An operator's change, step by step.

use super::*;

const LIVE: Manner = Manner { partial: false, depth: Depth::Whole, live: true };
const MINUTE: Duration = Duration::from_secs(60);

fn commit(confirmation: Confirmation) -> Event<&'static str> {
    Event::Change(Request::Commit { payload: "second", confirmation })
}

fn done(generation: u32, changes: &[&str]) -> Command {
    let changes = changes.iter().map(|change| (*change).to_owned()).collect();
    Command::Answer(Ok(Done { generation: Some(generation), changes }))
}

fn refused(commands: &[Command]) -> &str {
    match commands {
        [.., Command::Answer(Err(refusal))] => &refusal.why,
        other => panic!("not refused: {other:?}"),
    }
}

/// A box that runs generation 2 until a minute from now.
fn unconfirmed(now: Instant) -> Core<&'static str> {
    let mut core = settled(now);
    assert_eq!(core.handle(now, commit(Confirmation::Within(MINUTE))), [Command::Converge(LIVE)]);
    assert_eq!(succeed(&mut core, now), [Command::Save { current: false }]);
    assert_eq!(core.handle(now, Event::Saved(Ok(2))), [done(2, &["add 192.0.2.2/24"])]);
    core
}

#[test]
fn the_kernel_takes_modules_while_a_configuration_may_be_gone_back_from() {
    let now = Instant::now();
    let mut core = unconfirmed(now);
    let _ = core.handle(now + LOOK, Event::Tick);
    assert_eq!(core.handle(now, ended(Outcome::Proven(vec![]))), [Command::Want]);
}

#[test]
fn a_new_configuration_may_be_the_first_with_services_so_the_lock_is_asked_for_anew() {
    let now = Instant::now();
    let mut core = settled(now);
    for number in 2..4 {
        let _ = core.handle(now, commit(Confirmation::None));
        let _ = succeed(&mut core, now);
        let _ = core.handle(now, Event::Saved(Ok(number)));
        let _ = core.handle(now + LOOK, Event::Tick);
        assert_eq!(core.handle(now, ended(Outcome::Proven(vec![]))), [Command::Want, Command::Lock]);
    }
}

/// The way back, to its end.
fn go_back(core: &mut Core<&'static str>, now: Instant, commands: &[Command]) -> Vec<Command> {
    assert_eq!(commands, [Command::Converge(ANEW)]);
    assert_eq!(core.running(), Some(&"first"));
    succeed(core, now)
}

#[test]
fn a_change_is_applied_proven_saved_and_then_answered() {
    let now = Instant::now();
    let mut core = settled(now);
    assert_eq!(core.handle(now, commit(Confirmation::None)), [Command::Converge(LIVE)]);
    assert_eq!(core.running(), Some(&"second"));
    assert_eq!(succeed(&mut core, now), [Command::Save { current: true }]);
    assert_eq!(core.handle(now, Event::Disturbed), [], "our own changes are signs too");
    assert_eq!(core.deadline(), None, "nothing is done before the disk has answered");
    assert_eq!(core.handle(now, Event::Saved(Ok(2))), [done(2, &["add 192.0.2.2/24"])]);
    assert_eq!((core.origin(), core.state()), (Origin::Generation(2), State::Serving));
    assert_eq!(core.attempts.len(), 1, "nothing of the old one is kept");
}

/// nft is another program, and slow: an undisturbed box does not start it for a change of IPVS.
#[test]
fn no_change_is_the_one_that_pays_for_the_look_at_the_firewall() {
    let now = Instant::now();
    let mut core = settled(now);
    for number in 2..40 {
        assert_eq!(core.handle(now, commit(Confirmation::None)), [Command::Converge(LIVE)], "{number}");
        assert_eq!(succeed(&mut core, now), [Command::Save { current: true }]);
        assert_eq!(core.handle(now, Event::Saved(Ok(number))), [done(number, &["add 192.0.2.2/24"])]);
    }
    assert_eq!(core.handle(now + LOOK, Event::Tick), [Command::Converge(WHOLE)], "the next look does");
}

#[test]
fn what_the_kernel_refuses_is_put_back_and_the_answer_says_why() {
    let now = Instant::now();
    let mut core = settled(now);
    let _ = core.handle(now, commit(Confirmation::None));
    assert_eq!(core.handle(now, failed()), [], "a moment's patience");
    let _ = core.handle(now + START_RETRY, Event::Tick);
    let later = now + MINUTE;
    let commands = core.handle(later, failed());
    let commands = go_back(&mut core, later, &commands);
    assert!(refused(&commands).contains("no device matches; all is as it was before"), "{commands:?}");
    assert_eq!((core.origin(), core.state()), (Origin::Generation(1), State::Serving));
}

#[test]
fn what_vrrpd_refuses_is_put_back() {
    let now = Instant::now();
    let mut core = settled(now);
    let _ = core.handle(now, commit(Confirmation::None));
    assert_eq!(core.handle(now, proven()), [Command::Instruct]);
    let commands = core.handle(now, Event::Instructed(Err("vrid 50 twice".into())));
    let commands = go_back(&mut core, now, &commands);
    assert!(refused(&commands).contains("vrid 50 twice"));
}

#[test]
fn what_cannot_be_saved_is_put_back() {
    let now = Instant::now();
    let mut core = settled(now);
    let _ = core.handle(now, commit(Confirmation::None));
    let _ = succeed(&mut core, now);
    let commands = core.handle(now, Event::Saved(Err("the disk is full".into())));
    let commands = go_back(&mut core, now, &commands);
    assert!(refused(&commands).contains("the disk is full"));
}

#[test]
fn what_needs_a_reboot_is_refused() {
    let now = Instant::now();
    let mut core = settled(now);
    let _ = core.handle(now, commit(Confirmation::None));
    let commands = core.handle(now, ended(Outcome::NotLive("needs reboot: load ip_vs_ftp".into())));
    let commands = go_back(&mut core, now, &commands);
    assert!(refused(&commands).contains("needs reboot"));
}

#[test]
fn a_change_waits_for_the_end_of_a_look() {
    let now = Instant::now();
    let mut core = settled(now);
    let _ = core.handle(now + LOOK, Event::Tick);
    assert_eq!(core.handle(now, commit(Confirmation::None)), []);
    assert!(refused(&core.handle(now, commit(Confirmation::None))).contains("under way"));
    let commands = core.handle(now, ended(Outcome::Proven(vec![])));
    assert_eq!(commands, [Command::Converge(LIVE)], "vrrpd hears of the new one when it is proven");
    assert_eq!(succeed(&mut core, now), [Command::Save { current: true }]);
}

#[test]
fn a_confirmed_change_stays() {
    let now = Instant::now();
    let mut core = unconfirmed(now);
    assert_eq!(core.unconfirmed(), Some((2, now + MINUTE)));
    assert_eq!(core.handle(now, Event::Change(Request::Confirm)), [Command::Name(2)]);
    assert_eq!(core.handle(now, Event::Named(Ok(()))), [done(2, &[])]);
    assert_eq!((core.origin(), core.unconfirmed()), (Origin::Generation(2), None));
    assert_eq!(core.attempts.len(), 1);
}

#[test]
fn a_confirmation_that_is_not_on_the_disk_is_none() {
    let now = Instant::now();
    let mut core = unconfirmed(now);
    let _ = core.handle(now, Event::Change(Request::Confirm));
    assert_eq!(refused(&core.handle(now, Event::Named(Err("the disk is full".into())))), "the disk is full");
    assert_eq!(core.unconfirmed(), Some((2, now + MINUTE)));
}

#[test]
fn nothing_goes_back_while_its_confirmation_is_written() {
    let now = Instant::now();
    let mut core = unconfirmed(now);
    let late = now + MINUTE;
    assert_eq!(core.handle(late, Event::Change(Request::Confirm)), [Command::Name(2)]);
    assert_eq!(core.handle(late, Event::Tick), []);
    assert_eq!(core.handle(late, Event::Named(Ok(()))), [done(2, &[])]);
    assert_eq!(core.origin(), Origin::Generation(2));
}

#[test]
fn an_unconfirmed_change_is_announced_and_goes_back() {
    let now = Instant::now();
    let mut core = unconfirmed(now);
    let before = now + MINUTE.saturating_sub(Duration::from_secs(10));
    while core.deadline() < Some(before) {
        let looked = core.deadline().expect("a look is due");
        assert!(matches!(&core.handle(looked, Event::Tick)[..], [Command::Converge(_)]));
        let _ = core.handle(looked, ended(Outcome::Proven(vec![])));
    }
    let commands = core.handle(before, Event::Tick);
    assert_eq!(commands[0], Command::Announce { generation: 2, seconds: 10 });
    if core.converging {
        let _ = core.handle(before, ended(Outcome::Proven(vec![])));
    }
    let end = now + MINUTE;
    let commands = core.handle(end, Event::Tick);
    let commands = go_back(&mut core, end, &commands);
    let why = "nobody confirmed it in time".to_owned();
    assert_eq!(commands, [Command::WentBack { from: Some(2), to: Origin::Generation(1), why }]);
    assert_eq!((core.origin(), core.state()), (Origin::Generation(1), State::Serving));
}

#[test]
fn an_unconfirmed_change_is_taken_back_on_demand() {
    let now = Instant::now();
    let mut core = unconfirmed(now);
    let commands = core.handle(now, Event::Change(Request::TakeBack));
    let commands = go_back(&mut core, now, &commands);
    assert!(matches!(&commands[..], [Command::WentBack { .. }, Command::Answer(Ok(_))]), "{commands:?}");
}

#[test]
fn one_unconfirmed_change_at_a_time() {
    let now = Instant::now();
    let mut core = unconfirmed(now);
    let text = core.handle(now, commit(Confirmation::None));
    assert!(refused(&text).contains("generation 2 waits for its confirmation"));
    let mut core = settled(now);
    let text = core.handle(now, Event::Change(Request::Confirm));
    assert_eq!(refused(&text), "nothing waits for a confirmation");
}

#[test]
fn a_box_that_starts_takes_no_change() {
    let now = Instant::now();
    let (mut core, _) = start(now, &[Origin::Generation(1)]);
    assert!(refused(&core.handle(now, commit(Confirmation::None))).contains("starting"));
}

#[test]
fn a_box_without_a_configuration_can_be_given_one() {
    let now = Instant::now();
    for confirmation in [Confirmation::None, Confirmation::Within(MINUTE)] {
        let (mut core, _) = Core::start(now, vec![], vec![problem()]);
        let _ = succeed(&mut core, now);
        let _ = core.handle(now, commit(confirmation));
        let _ = succeed(&mut core, now);
        assert_eq!(core.problems().count(), 1, "{confirmation:?}");
        let _ = core.handle(now, Event::Saved(Ok(1)));
        if confirmation != Confirmation::None {
            let _ = core.handle(now, Event::Change(Request::Confirm));
            let _ = core.handle(now, Event::Named(Ok(())));
        }
        assert_eq!((core.origin(), core.state()), (Origin::Generation(1), State::Serving));
        assert_eq!(core.problems().count(), 0, "what the disk lacked at the start it has now");
    }
}
