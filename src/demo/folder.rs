//! The demo's folder, and that nobody else's is taken for it.
//!
//! Guarantee: nothing is written into a folder in which anything lies, unless a demo has made it.

use super::DemoError;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The demo's configuration, in its folder.
pub(super) const CONFIG_FILE: &str = "amalgam.toml";

/// The first line of the demo's configuration, by which its folder is known again.
pub(super) const MARK: &str = "# Written by `amalgam demo` at every start.";

/// Makes the folder, or finds it as a demo has left it; says where it is, absolute.
pub(super) fn make(folder: &Path, throw_away: bool) -> Result<PathBuf, DemoError> {
    let refused = |source| DemoError::Folder { path: folder.to_owned(), source };
    let folder = std::path::absolute(folder).map_err(refused)?;
    let is_empty = match fs::read_dir(&folder) {
        Ok(mut found) => found.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(refused(error)),
    };
    if is_empty {
        fs::create_dir_all(&folder).map_err(refused)?;
        // At once: what is cut off in the making can be gone on with.
        fs::write(folder.join(CONFIG_FILE), format!("{MARK}\n")).map_err(refused)?;
    } else if throw_away {
        return Err(DemoError::Taken { folder });
    } else if !is_marked(&folder) {
        return Err(DemoError::Foreign { folder });
    }
    Ok(folder)
}

fn is_marked(folder: &Path) -> bool {
    fs::read_to_string(folder.join(CONFIG_FILE)).is_ok_and(|text| text.lines().next() == Some(MARK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_a_demo_has_made_is_used_again() {
        let around = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = make(&around.path().join("demo"), false).expect("there is nothing yet");
        assert_eq!(make(&folder, false).expect("a demo has made it"), folder);
        assert!(matches!(make(&folder, true), Err(DemoError::Taken { .. })), "what was kept is not thrown away");
    }

    #[test]
    fn an_operators_folder_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join(CONFIG_FILE);
        for text in ["[source]\nhost = \"db.clinic.lan\"\n", ""] {
            fs::write(&file, text).expect("it can be written");
            assert!(matches!(make(folder.path(), false), Err(DemoError::Foreign { .. })));
            assert_eq!(fs::read_to_string(&file).expect("it is there"), text);
        }
        fs::rename(&file, folder.path().join("letters.txt")).expect("it can be renamed");
        assert!(matches!(make(folder.path(), false), Err(DemoError::Foreign { .. })));
    }
}
