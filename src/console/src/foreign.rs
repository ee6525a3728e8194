//! Words that fingers know from other boxes, and what does the same here.

use crate::answer::Failure;
use crate::exit::Code;

/// The first words of lines, and where to go with them.
const WORDS: [(&[&str], &str); 12] = [
    (
        &["configure", "conf", "config", "enable", "en", "system-view"],
        "there is no mode to enter: set, delete and edit change a draft, commit applies it",
    ),
    (&["end", "top-level", "disable"], "there is no mode to leave; exit leaves the console"),
    (&["write", "wr", "save", "copy"], "commit applies the draft and keeps it; backup prints the whole box"),
    (&["no", "undo"], "delete takes something out of the draft, rollback takes a commit back"),
    (&["reload", "shutdown", "poweroff", "halt"], "reboot starts the box anew"),
    (&["tcpdump", "monitor", "sniffer"], "capture INTERFACE shows packets, top the connections"),
    (&["ip", "ifconfig", "ipconfig", "netstat"], "show interfaces"),
    (&["iptables", "nft", "access-list"], "show firewall; rules of your own go into extra.nft"),
    (&["ipvsadm", "keepalived", "ldirectord"], "show services and show virtual-routers"),
    (&["sudo", "su", "bash", "start"], "shell opens a root shell on the serial line"),
    (&["terminal", "term"], "long answers come page by page: space, Enter, q; --json has no pages"),
    (&["ls", "dir", "cat", "vi", "nano", "less"], "show configuration and edit are for the one file"),
];

/// Why such a line is no command, and what is one.
pub(crate) fn failure(words: &[String]) -> Option<Failure> {
    let first = words.first()?;
    let (_, hint) = WORDS.iter().find(|(known, _)| known.contains(&first.as_str()))?;
    Some(Failure::new(Code::Usage, format!("{first} is a word of other boxes"), *hint))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::command::Line;

    #[test]
    fn no_word_of_another_box_is_one_of_ours() {
        let line = Line::command();
        for word in WORDS.iter().flat_map(|(words, _)| words.iter()) {
            assert!(line.find_subcommand(word).is_none(), "{word} is a command");
            assert!(failure(&[(*word).to_owned()]).is_some_and(|failure| !failure.hint.is_empty()));
        }
        assert!(failure(&["status".to_owned()]).is_none() && failure(&[]).is_none());
    }
}
