//! Archives of packages, unpacked.
//!
//! Guarantee: whatever an archive holds, nothing is written outside of the folder that it is unpacked into, and no more
//! than a bound.

use super::refused;
use crate::error::Result;
use flate2::read::MultiGzDecoder;
use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
};
use tar::EntryType;

/// What an archive unpacks to, at most.
pub(super) const UNPACKED_BYTES_MAX: u64 = 1 << 30;
/// Files, folders and links of one.
const MEMBERS_MAX: usize = 100_000;

/// Unpacks a `tar.gz` into an empty folder; what it holds at its top is returned: the one folder in it, or itself.
///
/// # Errors
/// It is no archive, is too large, or holds what no package has: a name that leads out, a device, a hard link.
pub(super) fn unpack(bytes: &[u8], into: &Path, bytes_max: u64) -> Result<PathBuf> {
    let unreadable = |error: io::Error| refused(format!("it can't be unpacked: {error}"));
    let mut archive = tar::Archive::new(Bounded { inner: MultiGzDecoder::new(bytes), left: bytes_max });
    let mut links = Vec::new();
    for (at, member) in archive.entries().map_err(unreadable)?.enumerate() {
        let mut member = member.map_err(unreadable)?;
        if at >= MEMBERS_MAX {
            return Err(refused(format!("it holds more than {MEMBERS_MAX} files")));
        }
        let name = member.path().map_err(unreadable)?.into_owned();
        let path = into.join(inner(&name)?);
        match member.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                fs::create_dir_all(path.parent().unwrap_or(into)).map_err(unreadable)?;
                let mut file = File::create(&path).map_err(unreadable)?;
                io::copy(&mut member, &mut file).map_err(unreadable)?;
            }
            EntryType::Directory => fs::create_dir_all(&path).map_err(unreadable)?,
            EntryType::Symlink => {
                let target = member.link_name().map_err(unreadable)?.map(|target| target.into_owned());
                links.push((path, target.unwrap_or_default()));
            }
            // What the tool that made it says of the whole.
            EntryType::XGlobalHeader => {}
            other => return Err(refused(format!("it holds {}, which is a {other:?}", name.display()))),
        }
    }
    // Last, and below folders that are all there: nothing is written through a link.
    for (path, _) in &links {
        fs::create_dir_all(path.parent().unwrap_or(into)).map_err(unreadable)?;
    }
    for (path, target) in &links {
        if path.symlink_metadata().is_err() {
            symlink(target, path).map_err(unreadable)?;
        }
    }
    top(into)
}

/// A member's name as a path below a folder.
fn inner(name: &Path) -> Result<PathBuf> {
    let mut path = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return Err(refused(format!("it holds {}, which leads out of its folder", name.display()))),
        }
    }
    Ok(path)
}

/// The package in an unpacked archive.
fn top(into: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(into).map_err(|error| refused(format!("{}: {error}", into.display())))?;
    let all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    if into.join("dbt_project.yml").is_file() {
        return Ok(into.to_owned());
    }
    match all.as_slice() {
        [one] if one.symlink_metadata().is_ok_and(|about| about.is_dir()) => Ok(one.clone()),
        _ => Err(refused("it must hold one folder, with the package in it")),
    }
}

/// Reads so much and then fails: a small archive may unpack to a disk full.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or_else(|| io::Error::other("it holds more than a package may"))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use tar::{Builder, Header};

    enum Member<'a> {
        File(&'a str, &'a str),
        Link(&'a str, &'a str),
        Hard(&'a str, &'a str),
    }
    use Member::{File as F, Hard, Link};

    fn archive(members: &[Member<'_>]) -> Vec<u8> {
        let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for member in members {
            let mut header = Header::new_gnu();
            let (name, kind, body, target) = match member {
                F(name, body) => (name, EntryType::Regular, *body, ""),
                Link(name, target) => (name, EntryType::Symlink, "", *target),
                Hard(name, target) => (name, EntryType::Link, "", *target),
            };
            // Past the checks of the writer: a hostile archive has none.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            if !target.is_empty() {
                header.set_link_name_literal(target).expect("a short name");
            }
            header.set_entry_type(kind);
            header.set_size(body.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append(&header, body.as_bytes()).expect("written");
        }
        tar.into_inner().and_then(GzEncoder::finish).expect("written")
    }

    fn unpacked(members: &[Member<'_>]) -> std::result::Result<(tempfile::TempDir, PathBuf), String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let into = folder.path().join("into");
        fs::create_dir(&into).expect("made");
        let top = unpack(&archive(members), &into, 1 << 20).map_err(|error| error.to_string())?;
        Ok((folder, top))
    }

    #[test]
    fn the_one_folder_of_an_archive_is_the_package() {
        let (_folder, top) =
            unpacked(&[F("utils-1.0/dbt_project.yml", "name: utils"), F("utils-1.0/macros/a.sql", "a")])
                .expect("a good archive");
        assert!(top.ends_with("utils-1.0"));
        assert_eq!(fs::read_to_string(top.join("macros/a.sql")).expect("there"), "a");
    }

    #[test]
    fn nothing_leaves_the_folder() {
        let project = || F("p/dbt_project.yml", "name: p");
        for (member, told) in [
            (F("../out", "x"), "it holds ../out, which leads out of its folder"),
            (F("p/../../out", "x"), "it holds p/../../out, which leads out of its folder"),
            (F("/tmp/out", "x"), "it holds /tmp/out, which leads out of its folder"),
            (Hard("p/passwd", "/etc/passwd"), "it holds p/passwd, which is a Link"),
        ] {
            let error = unpacked(&[project(), member]).map(|_| ()).expect_err("it is hostile");
            assert_eq!(error, told);
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let target = outside.path().to_str().expect("a plain name");
        let members = [
            F("p/dbt_project.yml", ""),
            Link("p/a", target),
            F("p/a/b", "x"),
            Link("p/c", target),
            Link("p/c/d/e", "x"),
        ];
        let (_folder, top) = unpacked(&members).expect("unpacked");
        assert_eq!(fs::read_dir(outside.path()).expect("there").count(), 0);
        assert!(top.join("a/b").is_file() && top.join("c/d").is_dir());
    }

    #[test]
    fn an_archive_that_unpacks_to_too_much_is_refused() {
        let zeros = "0".repeat(2 << 20);
        let error = unpacked(&[F("p/dbt_project.yml", &zeros)]).map(|_| ()).expect_err("it is too much");
        assert_eq!(error, "it can't be unpacked: it holds more than a package may");
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(unpack(b"no archive", folder.path(), 1 << 20).is_err());
    }
}
