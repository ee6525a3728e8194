//! The console's password: made, checked, and put into the draft.
//!
//! SHA-512 crypt, because every program that reads shadow(5) checks it (login, ssh, su) and
//! because it needs no memory: a box of 64 MiB has none to spare for argon2.

use rustix::rand::{GetRandomFlags, getrandom};
use sha_crypt::{Algorithm, Params, PasswordHasher, PasswordVerifier, ShaCrypt};

use crate::answer::{Answer, Failure, json};
use crate::client::wait_for;
use crate::exit::Code;
use crate::session::Session;
use crate::{path, terminal};

/// Shortest password, in characters (NIST SP 800-63B section 5.1.1.1).
const SHORTEST: usize = 8;
/// Rounds of the hash: ten times crypt(5)'s default, a tenth of a second on a small board.
const ROUNDS: u32 = 50_000;
/// Bytes of salt: in base64 they are the 16 characters that crypt(5) takes at most.
const SALT: usize = 12;

/// `password`
pub(crate) fn run(session: &Session) -> Result<Answer, Failure> {
    let hash = ask_new()?;
    let drafted = wait_for(session.drafted_or_running())?;
    let text = path::set(&drafted.text, &["system", "password", &hash].map(str::to_owned))?;
    wait_for(session.redraft(text))?;
    let text = "the draft has the new password; commit makes it hold".to_owned();
    Ok(Answer { text, value: json!({}), code: Code::Done })
}

/// Asks for a new password, twice, until it is good; gives its hash.
///
/// # Errors
/// Nobody is there any more.
pub(crate) fn ask_new() -> Result<String, Failure> {
    let given_up =
        |_| Failure::new(Code::Differs, "given up; the password is as it was", "password asks for it again");
    let _silent = terminal::silent();
    loop {
        let first = terminal::ask_secret("New password: ").map_err(given_up)?;
        if first.chars().count() < SHORTEST {
            println!("  it needs {SHORTEST} characters");
            continue;
        }
        let again = terminal::ask_secret("Once more: ").map_err(given_up)?;
        if first == again {
            return hash(&first);
        }
        println!("  they are not the same");
    }
}

/// A password's hash, with a salt of its own.
///
/// # Errors
/// The kernel has no random numbers, which it has from early on.
fn hash(password: &str) -> Result<String, Failure> {
    let failure =
        |error: &dyn std::fmt::Display| Failure::new(Code::Failed, format!("hash: {error}"), "try once more");
    let mut salt = [0; SALT];
    getrandom(&mut salt, GetRandomFlags::empty()).map_err(|error| failure(&error))?;
    let params = Params::new(ROUNDS).map_err(|error| failure(&error))?;
    let hasher = ShaCrypt::new(Algorithm::Sha512Crypt, params);
    let hash = hasher.hash_password_with_salt(password.as_bytes(), &salt).map_err(|error| failure(&error))?;
    Ok(hash.as_str().to_owned())
}

/// Whether a password belongs to a hash.
pub(crate) fn is_right(password: &str, hash: &str) -> bool {
    ShaCrypt::default().verify_password(password.as_bytes(), hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_and_the_configuration_takes_it() {
        let made = hash("correct horse").expect("there are random numbers");
        assert!(is_right("correct horse", &made));
        assert!(!is_right("correct horsf", &made) && !is_right("", &made));
        assert_ne!(hash("correct horse").expect("and more of them"), made, "the salt is another one");
        let text = format!("schema = 1\n[system]\npassword = \"{made}\"\n");
        mark21_config::parse(&text).unwrap_or_else(|findings| panic!("{findings}"));
    }

    /// Made by `openssl passwd -6 -salt saltsalt pleaseletmein`.
    #[test]
    fn hashes_of_other_programs_are_understood() {
        let openssl = include_str!("password/openssl.txt").trim();
        assert!(is_right("pleaseletmein", openssl), "{openssl}");
        for wrong in ["!", "*", "", "$6$", "$1$salt$hash"] {
            assert!(!is_right("pleaseletmein", wrong), "{wrong}");
        }
    }
}
