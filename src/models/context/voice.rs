//! Who hears what templates say to people: `log(…, info=True)` and `print(…)`.

use super::scope::lock;
use std::sync::{Arc, Mutex};

/// Takes a message of a template to people.
pub type Says = fn(&str);

/// So many messages of one rendering are held; what is said after them is lost.
const HELD_MAX: usize = 10_000;

/// Who hears.
#[derive(Clone, Debug, Default)]
pub(in crate::models) enum Voice {
    /// The log: nobody waits for it, or it is said elsewhere as well.
    #[default]
    Log,
    /// Whoever gave the command.
    Aloud(Says),
    /// The same, once [`Voice::release`] is called.
    Held(Says, Arc<Mutex<Vec<String>>>),
}

impl Voice {
    /// To whoever listens.
    pub(in crate::models) fn aloud(says: Option<Says>) -> Self {
        says.map_or(Self::Log, Self::Aloud)
    }

    /// Held back: the rendering may be one that is done again.
    pub(in crate::models) fn held(says: Option<Says>) -> Self {
        says.map_or(Self::Log, |says| Self::Held(says, Arc::default()))
    }

    /// Says what was held back.
    pub(in crate::models) fn release(&self) {
        if let Self::Held(says, held) = self {
            let held = std::mem::take(&mut *lock(held));
            held.iter().for_each(|message| says(message));
        }
    }

    /// Forgets what was held back.
    pub(in crate::models) fn forget(&self) {
        if let Self::Held(_, held) = self {
            lock(held).clear();
        }
    }

    /// Says a message of a node's.
    pub(super) fn say(&self, node: &str, message: &str) {
        match self {
            Self::Log => tracing::info!(node, "{message}"),
            Self::Aloud(says) => says(message),
            Self::Held(_, held) => {
                let mut held = lock(held);
                if held.len() < HELD_MAX {
                    held.push(message.to_owned());
                }
            }
        }
    }
}
