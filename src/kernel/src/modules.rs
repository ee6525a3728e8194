//! Kernel modules: which are there, with which parameters; loading with what they depend on.
//!
//! Reads depmod's files below `/lib/modules`, so that no modprobe is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use mark21_reconcile::{Module, ModuleChange};
use rustix::io::Errno;

use crate::error::{LockError, ObserveError};
use crate::sysctls;

/// `MODULE_INIT_COMPRESSED_FILE` (linux/module.h), Linux 5.17.
const COMPRESSED: i32 = 4;
/// `O_NONBLOCK`: a module in use is refused at once.
const NONBLOCK: i32 = 0o4000;

/// 1: no module goes in or out any more; never 0 again (Documentation/admin-guide/sysctl/kernel.rst).
const LOCK: &str = "kernel/modules_disabled";

/// depmod's files of the running kernel. All may be missing where everything is built in.
#[derive(Debug)]
pub(crate) struct Modules {
    folder: PathBuf,
    /// Path below the folder, and paths of what it depends on, by name.
    files: BTreeMap<String, (String, Vec<String>)>,
    built_in: BTreeSet<String>,
    /// What should be loaded before, by name: names or aliases.
    before: BTreeMap<String, Vec<String>>,
    /// Plain aliases only, those without a pattern.
    aliases: BTreeMap<String, Vec<String>>,
}

impl Modules {
    /// Reads the files of the running kernel.
    pub(crate) fn read() -> io::Result<Self> {
        let release = rustix::system::uname();
        let folder = Path::new("/lib/modules").join(release.release().to_string_lossy().as_ref());
        let text = |file: &str| match fs::read_to_string(folder.join(file)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            text => text,
        };
        Ok(Self {
            files: text("modules.dep")?.lines().filter_map(dependency).collect(),
            built_in: text("modules.builtin")?.lines().map(name_of).collect(),
            before: text("modules.softdep")?.lines().filter_map(soft_dependency).collect(),
            aliases: aliases(&text("modules.alias")?),
            folder,
        })
    }

    /// Whether the module's code is in the kernel now.
    pub(crate) fn is_present(&self, name: &str) -> bool {
        self.built_in.contains(name) || state(name).exists()
    }

    /// Whether it could be loaded but is not.
    pub(crate) fn is_absent(&self, name: &str) -> bool {
        !self.is_present(name) && self.files.contains_key(name)
    }

    /// Those of `names` that are present, with their readable parameters.
    pub(crate) fn observe<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<String, BTreeMap<String, String>> {
        let present = names.filter(|name| self.is_present(name));
        present.map(|name| (name.to_owned(), parameters(name))).collect()
    }

    /// Whether the kernel takes no more. One that never takes any has nothing to lock.
    pub(crate) fn are_locked() -> Result<bool, ObserveError> {
        Ok(sysctls::read(LOCK)?.is_none_or(|value| value != "0"))
    }

    /// Loads those of `reserve` that there are, then lets the kernel take no more. Says whether it
    /// took some until now.
    pub(crate) fn lock(&self, reserve: &[Module]) -> Result<bool, LockError> {
        if Self::are_locked().map_err(|error| LockError { what: error.what, cause: error.cause })? {
            return Ok(false);
        }
        let refused = |what: &str| {
            let what = what.to_owned();
            move |cause: io::Error| LockError { what, cause: cause.into() }
        };
        for module in reserve {
            match self.load(module) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                loaded => loaded.map_err(refused(&module.name))?,
            }
        }
        sysctls::write(LOCK, "1").map_err(refused(LOCK))?;
        Ok(true)
    }

    /// Makes one change.
    pub(crate) fn apply(&self, change: &ModuleChange) -> io::Result<()> {
        match change {
            ModuleChange::Load(module) | ModuleChange::LoadAtStart(module) => self.load(module),
            ModuleChange::Reload { module, .. } => {
                unload(&module.name)?;
                self.load(module)
            }
            ModuleChange::Unload(name) => unload(name),
        }
    }

    fn load(&self, module: &Module) -> io::Result<()> {
        if self.is_present(&module.name) {
            return Ok(());
        }
        let Some((file, dependencies)) = self.files.get(&module.name) else {
            return Err(ErrorKind::NotFound.into());
        };
        // depmod lists what is needed directly first, and the ground of all last.
        for dependency in dependencies.iter().rev() {
            self.load_file(dependency, "")?;
        }
        let parameters: Vec<String> =
            module.parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
        self.load_file(file, &parameters.join(" "))
    }

    /// Loads one file whose dependencies are there.
    fn load_file(&self, file: &str, parameters: &str) -> io::Result<()> {
        let name = name_of(file);
        if self.is_present(&name) {
            return Ok(());
        }
        for wanted in self.before.get(&name).into_iter().flatten() {
            self.try_load(wanted);
        }
        self.insert(file, parameters)
    }

    /// What should be there before, by name or alias: an implementation that this processor lacks
    /// refuses to load, another one does its work. The module that needs it tells if none does.
    fn try_load(&self, wanted: &str) {
        let itself = [wanted.replace('-', "_")];
        for name in self.aliases.get(wanted).map_or(&itself[..], Vec::as_slice) {
            if let Some((file, dependencies)) = self.files.get(name) {
                let all = dependencies.iter().rev().chain([file]);
                let _loaded = all.map(|file| self.load_plain(file)).all(|loaded| loaded.is_ok());
            }
        }
    }

    fn load_plain(&self, file: &str) -> io::Result<()> {
        if self.is_present(&name_of(file)) { Ok(()) } else { self.insert(file, "") }
    }

    fn insert(&self, file: &str, parameters: &str) -> io::Result<()> {
        let is_plain = Path::new(file).extension().is_some_and(|extension| extension == "ko");
        let flags = if is_plain { 0 } else { COMPRESSED };
        let opened = File::open(self.folder.join(file))?;
        match rustix::system::finit_module(opened, &CString::new(parameters)?, flags) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn unload(name: &str) -> io::Result<()> {
    match rustix::system::delete_module(&CString::new(name)?, NONBLOCK) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn state(name: &str) -> PathBuf {
    Path::new("/sys/module").join(name)
}

fn parameters(name: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(state(name).join("parameters")).into_iter().flatten().flatten();
    // Some can only be written; the kernel does not say what they are.
    let readable = entries.filter_map(|entry| {
        let value = fs::read_to_string(entry.path()).ok()?;
        Some((entry.file_name().into_string().ok()?, value.trim().to_owned()))
    });
    readable.collect()
}

/// `kernel/net/ipv4/ip-x.ko.xz` is `ip_x`.
fn name_of(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.split(".ko").next().unwrap_or(base).replace('-', "_")
}

/// `a.ko: b.ko c.ko`
fn dependency(line: &str) -> Option<(String, (String, Vec<String>))> {
    let (file, dependencies) = line.split_once(':')?;
    let dependencies = dependencies.split_whitespace().map(str::to_owned).collect();
    Some((name_of(file), (file.to_owned(), dependencies)))
}

/// `softdep libcrc32c pre: crc32c post: other`
fn soft_dependency(line: &str) -> Option<(String, Vec<String>)> {
    let mut words = line.strip_prefix("softdep ")?.split_whitespace();
    let name = words.next()?.replace('-', "_");
    let before = words.skip_while(|word| *word != "pre:").skip(1).take_while(|word| *word != "post:");
    Some((name, before.map(str::to_owned).collect()))
}

/// `alias crc32c crc32c_intel`
fn aliases(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut aliases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some("alias"), Some(alias), Some(name)) = (words.next(), words.next(), words.next())
            && !alias.contains(['*', '?', ':'])
        {
            aliases.entry(alias.to_owned()).or_default().push(name.to_owned());
        }
    }
    aliases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depmod_s_lines_are_read() {
        let (name, (file, needs)) =
            dependency("kernel/a/ip-vs.ko.xz: kernel/b/x.ko kernel/c/y.ko").expect("a line");
        assert_eq!((name.as_str(), file.as_str()), ("ip_vs", "kernel/a/ip-vs.ko.xz"));
        assert_eq!(needs, ["kernel/b/x.ko", "kernel/c/y.ko"]);
        assert_eq!(
            soft_dependency("softdep libcrc32c pre: crc32c x post: z"),
            Some(("libcrc32c".into(), vec!["crc32c".into(), "x".into()]))
        );
        assert_eq!(soft_dependency("# Soft dependencies"), None);
        let aliases =
            aliases("alias crc32c crc32c_intel\nalias pci:v*d* e1000\nalias crc32c crc32c_generic\n");
        assert_eq!(aliases.get("crc32c").map(Vec::len), Some(2));
        assert_eq!(aliases.len(), 1);
    }
}
