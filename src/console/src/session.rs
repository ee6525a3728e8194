//! What a command needs to know of whoever gave it, and the configurations that he can name.

use mark21_api::status::{GenerationFiles, Status};

use crate::answer::Failure;
use crate::client::{self, Via};
use crate::command::Version;
use crate::draft::{Draft, Drafted};
use crate::exit::Code;

/// What a box starts with that has no configuration.
pub(crate) const EMPTY: &str = "schema = 1\n";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Somebody who can answer a question.
    Person,
    /// A program, or a script.
    Program,
}

/// Whoever gives commands.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The way to mark21d.
    pub(crate) via: Via,
    /// Where his draft lies.
    pub(crate) draft: Draft,
    /// Whether he can be asked.
    pub(crate) asker: Asker,
}

impl Session {
    /// One with the console's own draft.
    pub(crate) fn new(via: Via, asker: Asker) -> Self {
        Self { via, draft: Draft::of_the_console(), asker }
    }

    /// The status of the box.
    pub(crate) async fn status(&self) -> Result<Status, Failure> {
        client::read(&self.status_document().await?)
    }

    /// The same as mark21d wrote it, for a program: thousands of servers are not worth reading.
    pub(crate) async fn status_document(&self) -> Result<String, Failure> {
        let answer = client::director(self.via).await?.status().await;
        answer.map_err(|error| client::called(&error))
    }

    /// A configuration's text.
    ///
    /// # Errors
    /// There is none, or it may not be read.
    pub(crate) async fn text(&self, version: Version) -> Result<String, Failure> {
        let number = match version {
            Version::Draft => return Ok(self.drafted()?.text),
            Version::Running => 0,
            Version::Generation(number) => number,
        };
        let director = client::director(self.via).await?;
        let files: GenerationFiles = client::take(director.read_generation(number).await)?;
        Ok(files.text)
    }

    /// The draft.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn drafted(&self) -> Result<Drafted, Failure> {
        self.draft.read()?.ok_or_else(|| {
            Failure::new(Code::Usage, "there is no draft", "set, edit, load or setup begin one")
        })
    }

    /// The draft, or a new one of what runs.
    pub(crate) async fn drafted_or_running(&self) -> Result<Drafted, Failure> {
        if let Some(drafted) = self.draft.read()? {
            return Ok(drafted);
        }
        let base = self.status().await?.configuration.digest;
        let text = match base.is_empty() {
            true => EMPTY.to_owned(),
            false => self.text(Version::Running).await?,
        };
        Ok(Drafted { text, base, ..Drafted::default() })
    }

    /// Puts another text into the draft.
    pub(crate) async fn redraft(&self, text: String) -> Result<(), Failure> {
        let drafted = match self.draft.read()? {
            Some(drafted) => drafted,
            None => Drafted { base: self.status().await?.configuration.digest, ..Drafted::default() },
        };
        self.draft.write(&Drafted { text, ..drafted })
    }

    /// Asks whether to go on; a program is told which option says yes.
    pub(crate) fn require_yes(&self, yes: bool, question: &str) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        match self.asker {
            Asker::Program => {
                Err(Failure::new(Code::Usage, format!("{question} Nobody is there to say"), "add --yes"))
            }
            Asker::Person => match crate::terminal::ask(&format!("{question} Type yes: ")) {
                Ok(answer) if answer.trim() == "yes" => Ok(()),
                Ok(_) | Err(_) => {
                    Err(Failure::new(Code::Differs, "nothing was done", "whoever means it types yes"))
                }
            },
        }
    }
}
