//! Public ssh keys: a line of `authorized_keys` without options (RFC 4253 section 6.6, RFC 5656,
//! RFC 8709). What is refused here would be passed over in silence by the ssh server.

use base64ct::{Base64, Encoding};

use super::{Form, FormError, bounded};
use crate::limits;
use crate::model::SshKey;

/// The types that the image's ssh server takes, each with how many strings follow the type's
/// name, and how long the last one is where that is fixed.
const TYPES: [(&str, usize, Option<usize>); 7] = [
    ("ssh-ed25519", 1, Some(32)),
    ("ssh-rsa", 2, None),
    ("ecdsa-sha2-nistp256", 2, Some(65)),
    ("ecdsa-sha2-nistp384", 2, Some(97)),
    ("ecdsa-sha2-nistp521", 2, Some(133)),
    ("sk-ssh-ed25519@openssh.com", 2, None),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 3, None),
];

impl Form for SshKey {
    fn read(text: &str) -> Result<Self, FormError> {
        let line = bounded(text, |character| character == ' ' || character.is_ascii_graphic())?;
        let mut words = text.split(' ');
        let name = words.next().unwrap_or_default();
        let Some((_, strings, last)) = TYPES.iter().find(|(known, _, _)| *known == name) else {
            return Err(FormError::SshKey("it must begin with ssh-ed25519, ssh-rsa or ecdsa-sha2-.."));
        };
        let mut buffer = [0; limits::SSH_KEY_BYTES];
        let body = Base64::decode(words.next().unwrap_or_default(), &mut buffer)
            .map_err(|_| FormError::SshKey("what follows the type is no base64, or only a part of it"))?;
        let damaged = FormError::SshKey("it is damaged, a part of it is missing or too much");
        let (inner, mut rest) = string(body).ok_or(damaged)?;
        if inner != name.as_bytes() {
            return Err(FormError::SshKey("inside it is of another type"));
        }
        let mut length = 0;
        for _ in 0..*strings {
            let (field, behind) = string(rest).ok_or(damaged)?;
            (length, rest) = (field.len(), behind);
        }
        if !rest.is_empty() || length == 0 || last.is_some_and(|last| last != length) {
            return Err(damaged);
        }
        Ok(Self(line))
    }
}

/// A string with its length before it (RFC 4251 section 5), and what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIPNSMdbyTMJVYhBPKqcXaOX2aObSUVPVEKZlsrkMFIQk";

    #[test]
    fn keys_are_told_from_what_only_looks_like_one() {
        let ed25519 = |tail: &str| alloc::format!("ssh-ed25519 {ED25519}{tail}");
        let part = |length: usize| alloc::format!("ssh-ed25519 {}", &ED25519[..length]);
        let cases = [
            ("a key", ed25519(""), true),
            ("with a comment of two words", ed25519(" alice at work"), true),
            ("cut within a group of base64", part(67), false),
            ("cut between two groups", part(64), false),
            ("of another type inside", alloc::format!("ssh-rsa {ED25519}"), false),
            ("with an option", alloc::format!("no-pty {}", ed25519("")), false),
            ("a second line", ed25519("\nssh-ed25519 A"), false),
            ("a type that is not known", "ssh-dss AAAA".into(), false),
            ("nothing behind the type", "ssh-ed25519".into(), false),
            ("nothing", alloc::string::String::new(), false),
        ];
        for (case, text, wanted) in cases {
            assert_eq!(SshKey::read(&text).is_ok(), wanted, "{case}: {:?}", SshKey::read(&text));
        }
    }
}
