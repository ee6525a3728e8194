//! The daemon's state as JSON, as a table for people, and as one line.

use std::fmt::Write;

use vrrp::{
    Family, Link, Membership, NewActiveReason, Reason, Rejection, Router, State, Transition, Version,
};

use super::Daemon;
use super::entry::Entry;
use crate::json::{Json, Object};
use crate::log;
use crate::settings::{RouterSettings, duration_text, prefix_text};
use crate::sys;

pub(crate) const fn state_name(state: State) -> &'static str {
    match state {
        State::Initialize => "initialize",
        State::Backup => "backup",
        State::Active => "active",
    }
}

pub(crate) const fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Started => "started",
        Reason::Owner => "owner",
        Reason::ActiveSilent => "active-silent",
        Reason::ActiveResigned => "active-resigned",
        Reason::Preempted => "preempted",
        Reason::Outranked => "outranked",
        Reason::HandedOver => "handed-over",
        Reason::Fault => "fault",
        Reason::Recovered => "recovered",
        Reason::Stopped => "stopped",
    }
}

const fn membership_name(membership: Membership) -> &'static str {
    match membership {
        Membership::Stopped => "stopped",
        Membership::Faulted => "faulted",
        Membership::Backup => "backup",
        Membership::Waiting => "waiting",
        Membership::Active => "active",
        Membership::HandingOver => "handing-over",
        Membership::Offering => "offering",
    }
}

const fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

const fn version_number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

/// What watchers get at each transition.
pub(crate) fn transition_line(settings: &RouterSettings, transition: Transition, priority: u8) -> String {
    Json::object(|object| {
        object.text("event", "transition");
        object.text("name", &settings.name);
        object.text("interface", &settings.key.interface);
        object.number("vrid", settings.key.vrid.get());
        object.text("family", family_name(settings.key.family));
        object.text("from", state_name(transition.from));
        object.text("to", state_name(transition.to));
        object.text("reason", reason_name(transition.reason));
        object.number("effective_priority", priority);
        object.number("at", sys::wall_clock());
    })
}

impl Daemon {
    /// One line: for sd-notify.
    pub(crate) fn summary(&self) -> String {
        if !self.has_settings {
            return String::from("waiting for a configuration");
        }
        let count =
            |state: State| self.routers.iter().flatten().filter(|entry| entry.state() == state).count();
        let (active, backup, rest) = (count(State::Active), count(State::Backup), count(State::Initialize));
        format!("{active} active, {backup} backup, {rest} initialize")
    }

    /// Everything, for programs.
    pub(crate) fn status_json(&self) -> String {
        Json::object(|object| {
            object.text("version", env!("CARGO_PKG_VERSION"));
            object.number("pid", std::process::id());
            object.flag("configured", self.has_settings);
            let uptime = self.now.saturating_duration_since(self.started);
            object.number("uptime_seconds", uptime.as_secs());
            object.number("unsent_packets", self.unsent);
            object.number("dropped_log_lines", log::dropped());
            object.number(
                "stray_packets",
                self.sockets.iter().flatten().map(|socket| socket.strays).sum::<u64>(),
            );
            object.objects("routers", self.routers.iter().flatten(), router);
            object.objects("groups", self.groups.iter(), |object, group| {
                object.text("name", &group.settings.name);
                object.texts("members", group.settings.members.iter());
                object.maybe("state", group.told);
            });
            object.objects("track_scripts", self.scripts.iter(), |object, script| {
                object.text("name", &script.settings.name);
                object.flag("up", script.health == vrrp::Health::Up);
            });
            object.objects("track_files", self.files.iter(), |object, file| {
                object.text("name", &file.settings.name);
                object.maybe("value", file.value);
            });
        })
    }

    /// The same in short, for people.
    pub(crate) fn status_text(&self) -> String {
        let mut text = String::new();
        let entries: Vec<_> = self.routers.iter().flatten().collect();
        let width = entries.iter().map(|entry| entry.settings.name.len()).max().unwrap_or(0).max(4);
        let head = "interface       vrid  state       priority  active router            since";
        writeln!(text, "{:width$}  {head}", "name").unwrap_or_default();
        for entry in entries {
            let router = entry.router.as_ref();
            let active =
                router.and_then(Router::active_router).map_or(String::from("-"), |it| it.to_string());
            let since = entry
                .last_transition
                .map_or(String::from("-"), |(at, _)| format!("{}s", sys::wall_clock().saturating_sub(at)));
            writeln!(
                text,
                "{:width$}  {:15} {:>4}  {:10}  {:>8}  {:23}  {since}",
                entry.settings.name,
                entry.settings.key.interface,
                entry.settings.key.vrid,
                state_name(entry.state()),
                router.map_or(entry.settings.priority, |router| router.priority().get()),
                active,
            )
            .unwrap_or_default();
        }
        for group in &self.groups {
            let state = group.told.unwrap_or("-");
            writeln!(text, "group {}: {state} ({})", group.settings.name, group.settings.members.join(", "))
                .unwrap_or_default();
        }
        text
    }
}

fn router(object: &mut Object<'_>, entry: &Entry) {
    let settings = &entry.settings;
    object.text("name", &settings.name);
    object.text("interface", &settings.key.interface);
    object.number("vrid", settings.key.vrid.get());
    object.text("family", family_name(settings.key.family));
    object.number("version", version_number(settings.version));
    object.text("state", state_name(entry.state()));
    object.text("link", if entry.link == Link::Up && entry.router.is_some() { "up" } else { "down" });
    object.number("priority", settings.priority);
    let router = entry.router.as_ref();
    object.number("effective_priority", router.map_or(settings.priority, |router| router.priority().get()));
    object.maybe("membership", router.map(|router| membership_name(router.membership())));
    object.maybe("source", router.map(|router| router.config().primary_address()));
    object.maybe("active_router", router.and_then(Router::active_router));
    object.text("advertisement_interval", duration_text(settings.interval));
    let learnt = router.map(|router| duration_text(router.active_adver_interval()));
    object.maybe("active_advertisement_interval", learnt);
    object.texts(
        "addresses",
        settings.addresses.iter().map(|address| prefix_text(address.address, address.prefix_len)),
    );
    object.texts(
        "held",
        entry.held.iter().map(|held| prefix_text(held.address.address, held.address.prefix_len)),
    );
    object.maybe("virtual_mac", settings.virtual_mac.as_ref());
    object.flag("accept", settings.accepts || settings.priority == 255);
    object.number("addresses_put_back", entry.addresses_put_back);
    if let Some((at, transition)) = entry.last_transition {
        object.object("last_transition", |object| {
            object.number("at", at);
            object.text("from", state_name(transition.from));
            object.text("to", state_name(transition.to));
            object.text("reason", reason_name(transition.reason));
        });
    }
    if let Some(router) = router {
        object.object("statistics", |object| statistics(object, router));
    }
}

fn statistics(object: &mut Object<'_>, router: &Router) {
    let statistics = router.statistics();
    object.number("active_transitions", statistics.active_transitions);
    let reason = match statistics.new_active_reason {
        NewActiveReason::NotActive => "not-active",
        NewActiveReason::Priority => "priority",
        NewActiveReason::Preempted => "preempted",
        NewActiveReason::ActiveNoResponse => "active-no-response",
    };
    object.text("new_active_reason", reason);
    object.number("advertisements_received", statistics.advertisements_received);
    object.number("advertisements_sent", statistics.advertisements_sent);
    object.number("priority_zero_received", statistics.priority_zero_received);
    object.number("priority_zero_sent", statistics.priority_zero_sent);
    object.number("interval_mismatches", statistics.interval_mismatches);
    object.number("intervals_bounded", statistics.intervals_bounded);
    object.number("address_list_mismatches", statistics.address_list_mismatches);
    object.number("conflicts", statistics.conflicts);
    object.number("answers_suppressed", statistics.answers_suppressed);
    object.object("rejected", |object| {
        for reason in Rejection::ALL {
            let count = statistics.rejected(reason);
            if count > 0 {
                object.number(reason.name(), count);
            }
        }
    });
}
