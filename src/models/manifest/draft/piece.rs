//! What becomes a node: a file, a block of one, or what properties and the project's file say.

use super::super::{
    super::{
        jinja::{self, BlockKind, Definition},
        reading::{File, ProjectFile},
    },
    Resource,
    load::explained,
};
use crate::error::Result;
use std::borrow::Cow;

/// One file, or one block of it, that becomes a node.
pub(super) struct Piece<'a> {
    pub(super) resource: Resource,
    pub(super) name: String,
    pub(super) file: String,
    pub(super) below: String,
    pub(super) text: Cow<'a, str>,
    pub(super) first_line: usize,
}

/// What becomes nodes in a file: all of it, or each of its snapshots.
pub(super) fn pieces_of<'a>(package: &ProjectFile, file: &'a File, resource: Resource) -> Result<Vec<Piece<'a>>> {
    let stem = file.below.rsplit('/').next().unwrap_or(&file.below);
    let piece = |resource: Resource, name: &str, text: Cow<'a, str>, first_line: usize| Piece {
        resource,
        name: name.to_owned(),
        file: file.path.clone(),
        below: file.below.clone(),
        text,
        first_line,
    };
    let has_blocks = resource == Resource::Snapshot || file.text.contains("endsnapshot");
    if has_blocks && resource != Resource::Seed {
        let found = jinja::definitions(&package.name, &file.path, &file.text).map_err(|e| explained(&e))?.0;
        let snapshots = found.into_iter().filter(|block| block.kind == BlockKind::Snapshot);
        let piece = |block: Definition| piece(Resource::Snapshot, &block.name, block.body.into(), block.line - 1);
        let pieces: Vec<Piece<'_>> = snapshots.map(piece).collect();
        if !pieces.is_empty() || resource == Resource::Snapshot {
            return Ok(pieces);
        }
    }
    let name = stem.trim_end_matches(if resource == Resource::Seed { ".csv" } else { ".sql" });
    Ok(vec![piece(resource, name, file.text.as_str().into(), 0)])
}
