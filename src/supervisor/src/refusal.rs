//! Why something that was asked for is not done, and what the operator can do next: whatever the
//! interface refuses is a [`Refusal`], and there is none without both halves.

use std::borrow::Cow;
use std::fmt::Display;

use mark21_api::refusal;
use zbus::fdo::Error;

/// Names listed where one is not known; of thousands nobody reads all.
const LISTED: usize = 20;

/// A request that is refused, or that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    kind: Kind,
    /// Lower case, without a full stop; of several lines where the operator's text is shown.
    pub(crate) why: String,
    /// In the imperative, or what there is instead.
    pub(crate) next: Cow<'static, str>,
}

/// Which error of D-Bus it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Wrong,
    Failed,
    Denied,
}

impl Refusal {
    /// What was asked for makes no sense here: the same call is refused again.
    pub(crate) fn wrong(why: impl Into<String>, next: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Kind::Wrong, why: why.into(), next: next.into() }
    }

    /// What was asked for could not be done now.
    pub(crate) fn failed(why: impl Into<String>, next: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Kind::Failed, why: why.into(), next: next.into() }
    }

    /// The caller may not ask for it.
    pub(crate) fn denied() -> Self {
        let why = "only root and the group admin may do this".to_owned();
        Self { kind: Kind::Denied, why, next: "log in as admin".into() }
    }

    /// A name that is not there; `what` says of what it is one.
    pub(crate) fn unknown(what: &str, name: impl Display, known: &[String]) -> Self {
        let next = match known.split_at_checked(LISTED) {
            _ if known.is_empty() => "none is configured; show configuration shows what is".to_owned(),
            Some((listed, more)) if !more.is_empty() => {
                format!("known are: {} and {} more", listed.join(", "), more.len())
            }
            _ => format!("known are: {}", known.join(", ")),
        };
        Self::wrong(format!("there is no {what} {name}"), next)
    }

    /// There is nothing that it could be about.
    pub(crate) fn nothing_runs() -> Self {
        Self::failed("no configuration runs", "setup writes one, and commit applies it")
    }

    /// One change is made after the other.
    pub(crate) fn busy() -> Self {
        Self::failed("another change is under way", "wait for its end, which log tells, and try once more")
    }

    /// A change of which none is made: it is refused as long as this one waits.
    pub(crate) fn unconfirmed(generation: u32) -> Self {
        let why = format!("generation {generation} waits for its confirmation");
        Self::failed(why, "confirm keeps it, rollback takes it back; then try once more")
    }

    /// What the kernel, the disk or another program said.
    pub(crate) fn below(why: impl Display) -> Self {
        Self::failed(why.to_string(), "status and log tell more; try once more")
    }

    /// Nobody will answer any more.
    pub(crate) fn stopping() -> Self {
        Self::failed("mark21d is stopping", "init starts it anew; try once more in a few seconds")
    }
}

impl From<Refusal> for Error {
    fn from(Refusal { kind, why, next }: Refusal) -> Self {
        let text = refusal::written(&why, &next);
        match kind {
            Kind::Wrong => Self::InvalidArgs(text),
            Kind::Failed => Self::Failed(text),
            Kind::Denied => Self::AccessDenied(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_what_is_not_there_is_told_what_is_and_not_all_of_thousands() {
        let known = |count: usize| (1..=count).map(|number| format!("s{number}")).collect::<Vec<_>>();
        let cases = [
            (0, "none is configured; show configuration shows what is"),
            (2, "known are: s1, s2"),
            (20, "s19, s20"),
            (4096, "s19, s20 and 4076 more"),
        ];
        for (count, wanted) in cases {
            let refused = Refusal::unknown("service", "\"web\"", &known(count));
            assert_eq!(refused.why, "there is no service \"web\"");
            assert!(refused.next.ends_with(wanted), "{count}: {}", refused.next);
        }
    }

    /// The errors of the library are made in this file alone, where none is without a hint.
    #[test]
    fn nothing_is_refused_past_this_file() {
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        let mut read = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("the sources are there").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("it is a text");
                read += 1;
                let is_here = path.file_name().is_some_and(|name| name == "refusal.rs");
                for made in ["Error::Failed(", "Error::InvalidArgs(", "Error::AccessDenied("] {
                    assert!(is_here || !text.contains(made), "{}: {made}..)", path.display());
                }
                // A hint that says nothing would be none.
                for made in ["Refusal::wrong(", "Refusal::failed("] {
                    for call in text.split(made).skip(1) {
                        let call = call.split(';').next().unwrap_or_default();
                        assert!(!call.contains("\"\")"), "{}: {made}{call}", path.display());
                    }
                }
            }
        }
        assert!(read > 40, "{read} files");
    }
}
