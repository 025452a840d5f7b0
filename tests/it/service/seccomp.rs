//! The filter of system calls that systemd would make of the unit, as far as a program of seccomp's can say it.
//!
//! Computed from the unit's own `SystemCallFilter=`, `RestrictAddressFamilies=` and `MemoryDenyWriteExecute=`,
//! with systemd's own lists of what `@system-service` and its kin are. seccomp(2), linux/filter.h.

use super::unit::{SERVICE, analyze, settings};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
};

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_SET: u16 = 0x45;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const REFUSE: u32 = 0x0005_0000;
const EPERM: u32 = 1;
const EAFNOSUPPORT: u32 = 97;

/// Offsets within `struct seccomp_data`: the call's number, the architecture, and the low halves of arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
const THIRD_ARGUMENT: u32 = 32;

const WRITE_AND_EXECUTE: u32 = 0b110;
const EXECUTE: u32 = 0b100;

/// The filter as the kernel takes it.
pub(super) fn filter() -> Vec<u8> {
    let numbers = numbers();
    let number = |name: &str| numbers.get(name).copied();
    let mut program = vec![
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 1, 0, if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 }),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
    ];
    let families = families();
    let socket = number("socket").expect("every system has sockets");
    let length = u8::try_from(families.len()).expect("there are few");
    program.extend([(JUMP_IF_EQUAL, 0, length + 3, socket), (LOAD, 0, 0, FIRST_ARGUMENT)]);
    program.extend((0..length).map(|n| (JUMP_IF_EQUAL, length - n, 0, families[usize::from(n)])));
    program.extend([(RETURN, 0, 0, REFUSE | EAFNOSUPPORT), (RETURN, 0, 0, ALLOW)]);
    if settings(SERVICE, "MemoryDenyWriteExecute") == ["yes"] {
        program.extend([
            (JUMP_IF_EQUAL, 0, 5, number("mmap").expect("every system maps memory")),
            (LOAD, 0, 0, THIRD_ARGUMENT),
            (AND, 0, 0, WRITE_AND_EXECUTE),
            (JUMP_IF_EQUAL, 0, 1, WRITE_AND_EXECUTE),
            (RETURN, 0, 0, REFUSE | EPERM),
            (RETURN, 0, 0, ALLOW),
            (JUMP_IF_EQUAL, 0, 4, number("mprotect").expect("every system protects memory")),
            (LOAD, 0, 0, THIRD_ARGUMENT),
            (JUMP_IF_SET, 0, 1, EXECUTE),
            (RETURN, 0, 0, REFUSE | EPERM),
            (RETURN, 0, 0, ALLOW),
        ]);
    }
    for call in allowed().iter().filter_map(|name| number(name)) {
        program.extend([(JUMP_IF_EQUAL, 0, 1, call), (RETURN, 0, 0, ALLOW)]);
    }
    program.push((RETURN, 0, 0, REFUSE | EPERM));
    let bytes = |(code, yes, no, k): (u16, u8, u8, u32)| {
        [&code.to_ne_bytes()[..], &[yes, no][..], &k.to_ne_bytes()[..]].concat()
    };
    program.into_iter().flat_map(bytes).collect()
}

/// The calls that the unit allows: its lines in their order, `~` taking away.
pub(super) fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for line in settings(SERVICE, "SystemCallFilter") {
        let (takes_away, groups) = line.strip_prefix('~').map_or((false, line.as_str()), |rest| (true, rest));
        for name in groups.split_whitespace().flat_map(members) {
            match takes_away {
                true => allowed.remove(&name),
                false => allowed.insert(name),
            };
        }
    }
    // What systemd adds to every list, so that a program can begin and end at all.
    allowed.extend(members("@default"));
    allowed
}

/// The calls of a group, groups within it included; a call is its own only member.
fn members(name: &str) -> Vec<String> {
    if !name.starts_with('@') {
        return vec![name.to_owned()];
    }
    let told = analyze(&["syscall-filter", "--no-pager", name]);
    let words = told.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    words.flat_map(members).collect()
}

fn families() -> Vec<u32> {
    let number = |name: &str| match name {
        "AF_UNIX" => 1,
        "AF_INET" => 2,
        "AF_INET6" => 10,
        other => panic!("{other} is no family that the filter knows"),
    };
    settings(SERVICE, "RestrictAddressFamilies").iter().flat_map(|line| line.split_whitespace()).map(number).collect()
}

/// The numbers of calls on this machine, from its headers.
fn numbers() -> BTreeMap<String, u32> {
    let mut compiler = Command::new("cc")
        .args(["-E", "-dM", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("scripts/prerequisites installs gcc");
    let mut input = compiler.stdin.take().expect("it is piped");
    input.write_all(b"#include <asm/unistd.h>\n").expect("it reads");
    drop(input);
    let output = compiler.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("names and numbers");
    let number = |line: &str| {
        let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        Some((name.to_owned(), number.trim().parse().ok()?))
    };
    let numbers: BTreeMap<String, u32> = text.lines().filter_map(number).collect();
    assert!(numbers.len() > 200, "libc6-dev and linux-libc-dev have the headers");
    numbers
}

#[test]
fn the_unit_allows_what_a_service_needs_and_nothing_that_changes_the_machine() {
    let allowed = allowed();
    for call in ["read", "socket", "epoll_wait", "futex", "execve", "exit_group", "fsync", "clone3"] {
        assert!(allowed.contains(call), "{call}");
    }
    for call in ["mount", "reboot", "init_module", "ptrace", "bpf", "chroot", "setuid", "keyctl", "settimeofday"] {
        assert!(!allowed.contains(call), "{call}");
    }
}
