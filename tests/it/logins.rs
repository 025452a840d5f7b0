//! How a password is proved to the source.

use crate::harness::{Servers, start_with};
use amalgam::{
    config::Secret,
    demo::servers::Kind as Server,
    error::Kind,
    source::{Order, Source},
};
use futures_util::{StreamExt, stream};
use std::path::Path;

/// Where Debian's mariadb-server has it, and where scripts/prerequisites puts it.
const PLUGIN_FOLDERS: [&str; 2] = ["/usr/lib/mysql/plugin", "/usr/local/lib/amalgam-tests"];
/// Of so many 32 random bytes, some end with a nought: one in 256 does.
const LOGINS: usize = 500;
const AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_signs_by_ed25519_is_let_in_whatever_bytes_are_to_be_signed() {
    let has_plugin = |folder: &&str| Path::new(folder).join("auth_ed25519.so").exists();
    let folder = PLUGIN_FOLDERS.into_iter().find(has_plugin).expect("scripts/prerequisites brings the plugin");
    let flags = [format!("--plugin-dir={folder}"), "--plugin-load-add=auth_ed25519".to_owned()];
    let server = start_with(Server::MariaDb, "ed25519", &flags.each_ref().map(String::as_str));
    let bench = Servers::fresh_at("ed25519", &server).await;
    bench
        .source(
            "create table t (k int primary key); insert into t values (1); \
             create user signer@'%' identified via ed25519 using password('a secret'); grant select on *.* to signer@'%'",
        )
        .await;
    let mut config = bench.config().source;
    (config.user, config.password) = ("signer".to_owned(), Secret::new("a secret"));
    let source = Source::new(&config).expect("the settings are right");
    let catalog = source.describe(None, |_| true).await.expect("the driver is let in");
    let logins = stream::iter(0..LOGINS).map(|_| async {
        source.describe(None, |_| true).await.expect("the driver is let in");
        let reader = source.reader(&catalog.tables[0], &Order::Unordered, 1 << 20).await.expect("our own login is");
        drop(reader);
    });
    assert_eq!(logins.buffer_unordered(AT_ONCE).count().await, LOGINS);
    config.password = Secret::new("another");
    let refused = Source::new(&config).expect("the settings are right").describe(None, |_| true).await;
    let refused = refused.expect_err("the password is wrong");
    assert!(refused.kind == Kind::SourceAuth && refused.to_string().contains("signer"), "{refused}");
}
