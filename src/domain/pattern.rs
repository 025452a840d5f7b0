//! Names by pattern, as people choose tables and models.

/// Whether a name fits a pattern in which `*` stands for anything and `?` for one character. Upper and
/// lower case differ.
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Only the last star is ever tried again: the time is bounded by the product of the lengths.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit() {
        for (pattern, name, expected) in [
            ("stg_*", "stg_patient", true),
            ("*_pat*", "stg_patient", true),
            ("stg_*", "mart", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXc", false),
            ("a?c", "abc", true),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("ab", "abc", false),
            ("AB", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_longer_than_their_lengths() {
        assert!(!fits(&"*a".repeat(200), &"a".repeat(199)));
        assert!(!fits(&format!("{}b", "*a".repeat(100)), &"a".repeat(5000)));
    }
}
