//! A whole box in one text: its configuration, its own nft tables, its ssh host key.
//!
//! ```text
//! # Mark21 0.1.0, director-a, generation 3
//! -----FILE mark21.toml 57 lines-----
//! schema = 1
//! ..
//! -----FILE extra.nft 4 lines-----
//! -----FILE ssh-host-key 1 lines-----
//! ```
//! A part says how many lines it has, so nothing in it can be taken for the next one. Around it come
//! the markers and the digest of [`paste`](crate::paste).

use std::fmt::Write as _;

use crate::answer::Failure;
use crate::exit::Code;

const CONFIGURATION: &str = "mark21.toml";
const EXTRA: &str = "extra.nft";
const HOST_KEY: &str = "ssh-host-key";
const FILE: &str = "-----FILE ";
const END: &str = " lines-----";

/// What belongs to a box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backup {
    /// `mark21.toml`
    pub(crate) text: String,
    /// `extra.nft`; empty where there is none.
    pub(crate) extra: String,
    /// The private host key in hexadecimal; empty where there is none.
    pub(crate) host_key: String,
}

impl Backup {
    /// As it is kept, below a line that says of which box it is.
    pub(crate) fn write(&self, title: &str) -> String {
        let mut all = format!("# {title}\n");
        for (name, text) in [(CONFIGURATION, &self.text), (EXTRA, &self.extra), (HOST_KEY, &self.host_key)] {
            if name == CONFIGURATION || !text.is_empty() {
                // Writing into a String cannot fail.
                let _ = writeln!(all, "{FILE}{name} {}{END}", text.lines().count());
                for line in text.lines() {
                    let _ = writeln!(all, "{line}");
                }
            }
        }
        all
    }

    /// From what was kept.
    ///
    /// # Errors
    /// It has no configuration, or a part that is not known here or cut off.
    pub(crate) fn read(kept: &str) -> Result<Self, Failure> {
        let refused = |message: String| {
            Failure::new(
                Code::Refused,
                message,
                "take another backup; this one is of another firmware, or cut off",
            )
        };
        let mut backup = Self::default();
        let mut lines = kept.lines();
        while let Some(line) = lines.next() {
            let Some(head) = line.strip_prefix(FILE) else { continue };
            let head = head.strip_suffix(END).and_then(|head| head.rsplit_once(' '));
            let (name, count) = head
                .and_then(|(name, count)| Some((name, count.parse::<usize>().ok()?)))
                .ok_or_else(|| refused(format!("{line:?} begins no part")))?;
            let part: Vec<&str> = lines.by_ref().take(count).collect();
            if part.len() != count {
                return Err(refused(format!("{name} has {} lines instead of {count}", part.len())));
            }
            let part: String = part.iter().map(|line| format!("{line}\n")).collect();
            match name {
                CONFIGURATION => backup.text = part,
                EXTRA => backup.extra = part,
                HOST_KEY => part.trim().clone_into(&mut backup.host_key),
                other => return Err(refused(format!("a part {other:?} is not known"))),
            }
        }
        if backup.text.is_empty() {
            return Err(refused(format!("there is no {CONFIGURATION} in it")));
        }
        Ok(backup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_comes_back_whole_whatever_stands_in_its_files() {
        let tricky =
            "schema = 1\n# -----FILE extra.nft 1 lines-----\n\n-----FILE ssh-host-key 1 lines-----\n";
        let cases = [
            Backup { text: "schema = 1\n".into(), ..Backup::default() },
            Backup { text: tricky.into(), extra: "table ip own {\n}\n".into(), host_key: "00ff".into() },
        ];
        for backup in cases {
            assert_eq!(Backup::read(&backup.write("title")).expect("it is whole"), backup);
        }
    }

    #[test]
    fn what_is_no_whole_backup_is_refused() {
        let whole = Backup { text: "schema = 1\na\nb\n".into(), ..Backup::default() }.write("title");
        let cases = [
            ("nothing", String::new(), "no mark21.toml"),
            ("cut off", whole.trim_end().trim_end_matches('b').to_owned(), "2 lines instead of 3"),
            ("another part", whole.replace("mark21.toml", "mark22.toml"), "not known"),
            ("no count", whole.replace(" 3 lines", " lines"), "begins no part"),
        ];
        for (case, text, wanted) in cases {
            let failure = Backup::read(&text).expect_err(case);
            assert!(failure.message.contains(wanted), "{case}: {}", failure.message);
        }
    }
}
