//! How a connection begins: MariaDB KB, "Connection" and "Authentication Plugins".

use super::{Connection, Outcome, PACKET_BYTES_MAX, Stream, parsed, unexpected};
use crate::{
    config::{self, Secret},
    telemetry::IntCounter,
};
use mysql_async::DriverError;
use mysql_common::{
    constants::CapabilityFlags,
    crypto,
    packets::{AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse, SslRequest},
    proto::MySerialize,
};
use rustls::pki_types::{ServerName, SubjectPublicKeyInfoDer, pem::PemObject};
use socket2::{SockRef, TcpKeepalive};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::{TcpStream, UnixStream},
    sync::OwnedSemaphorePermit,
};
use tokio_rustls::TlsConnector;

/// A silent peer is asked whether it is still there.
pub(in crate::source) const KEEPALIVE: Duration = Duration::from_secs(30);
/// And again, some times over (tcp(7), `tcp_keepalive_probes`).
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// `utf8mb4_general_ci`.
const CHARACTER_SET: u8 = 45;
/// Of the random bytes that a password is mixed with.
const NONCE_BYTES: usize = 20;
/// Of those that an ed25519 login signs (MariaDB KB, "Authentication Plugin - ed25519").
const SIGNED_BYTES: usize = 32;
/// Where a server gives its public key for a password.
const KEY_BEGINS: &[u8] = b"-----BEGIN PUBLIC KEY-----";
const KEY_ENDS: &[u8] = b"-----END PUBLIC KEY-----";

/// What a connection needs to begin.
pub(in crate::source) struct Login {
    host: String,
    port: u16,
    socket: Option<PathBuf>,
    user: String,
    password: Secret,
    database: String,
    tls: Option<Arc<rustls::ClientConfig>>,
    /// Statements that every session begins with.
    settings: Vec<String>,
    silence_max: Duration,
}

/// Whoever says nothing for so long has gone: no statement may take longer, nor a login.
pub(in crate::source) fn silence_max(config: &config::Source) -> Duration {
    Duration::from_secs(config.statement_seconds_max + config.connect_seconds_max)
}

impl Login {
    /// As configured. `settings` are statements that every session begins with.
    pub(in crate::source) fn new(
        config: &config::Source,
        tls: Option<Arc<rustls::ClientConfig>>,
        settings: Vec<String>,
    ) -> Self {
        Self {
            host: config.host.clone(),
            port: config.port,
            socket: config.socket.clone(),
            user: config.user.clone(),
            password: config.password.clone(),
            database: config.database.clone(),
            tls,
            settings,
            silence_max: silence_max(config),
        }
    }

    /// Connects. `read_bytes` counts what comes from the server; without a permit it is none of those that are bound.
    pub(in crate::source) async fn open(
        &self,
        permit: Option<OwnedSemaphorePermit>,
        read_bytes: IntCounter,
    ) -> Outcome<Connection> {
        let stream: Box<dyn Stream> = match &self.socket {
            Some(socket) => Box::new(UnixStream::connect(socket).await?),
            None => {
                let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
                stream.set_nodelay(true)?;
                let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL);
                SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                Box::new(stream)
            }
        };
        let mut connection = Connection::over(stream, self.silence_max, read_bytes, permit);
        // Before it knows what we can, the server says why not in the oldest way.
        let greeting = parsed::<HandshakePacket<'_>>(connection.answer().await?, ())?.into_owned();
        connection.id = greeting.connection_id();
        let mut wanted = CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_LONG_FLAG
            | CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_TRANSACTIONS
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_CONNECT_WITH_DB
            | CapabilityFlags::CLIENT_PLUGIN_AUTH
            | CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
            | CapabilityFlags::CLIENT_DEPRECATE_EOF;
        if self.tls.is_some() {
            wanted |= CapabilityFlags::CLIENT_SSL;
        }
        let capabilities = greeting.capabilities() & wanted;
        if let Some(tls) = &self.tls {
            connection = self.encrypted(connection, Arc::clone(tls), capabilities).await?;
        }
        self.authenticate(&mut connection, &greeting, capabilities).await?;
        for statement in &self.settings {
            connection.run(statement).await?;
        }
        Ok(connection)
    }

    async fn encrypted(
        &self,
        mut connection: Connection,
        tls: Arc<rustls::ClientConfig>,
        capabilities: CapabilityFlags,
    ) -> Outcome<Connection> {
        if !capabilities.contains(CapabilityFlags::CLIENT_SSL) {
            return Err(DriverError::NoClientSslFlagFromServer.into());
        }
        let mut packet = Vec::new();
        SslRequest::new(capabilities, packet_bytes_max(), CHARACTER_SET).serialize(&mut packet);
        connection.send(&packet).await?;
        // What came before the encryption began is nobody's word.
        if connection.received.len() > connection.taken {
            return Err(DriverError::PacketOutOfOrder.into());
        }
        let name =
            ServerName::try_from(self.host.clone()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let plain = std::mem::replace(&mut connection.stream, Box::new(tokio::io::empty()));
        connection.stream = Box::new(TlsConnector::from(tls).connect(name, plain).await?);
        Ok(connection)
    }

    /// Gives the password's proof in the way that the server asks for.
    async fn authenticate(
        &self,
        connection: &mut Connection,
        greeting: &HandshakePacket<'_>,
        capabilities: CapabilityFlags,
    ) -> Outcome<()> {
        let mut nonce = [greeting.scramble_1_ref(), greeting.scramble_2_ref().unwrap_or_default()].concat();
        nonce.resize(NONCE_BYTES, 0);
        let mut plugin = match greeting.auth_plugin() {
            Some(AuthPlugin::CachingSha2Password) => AuthPlugin::CachingSha2Password,
            _ => AuthPlugin::MysqlNativePassword,
        };
        let version = greeting.maria_db_server_version_parsed().or_else(|| greeting.server_version_parsed());
        let mut packet = Vec::new();
        HandshakeResponse::new(
            Some(self.proof(&plugin, &nonce)?),
            version.unwrap_or_default(),
            Some(self.user.as_bytes()),
            Some(self.database.as_bytes()),
            Some(plugin.borrow()),
            capabilities,
            None,
            packet_bytes_max(),
        )
        .serialize(&mut packet);
        connection.send(&packet).await?;
        connection.capabilities = capabilities;
        let mut switched = false;
        loop {
            match connection.answer().await? {
                [0x00, ..] => return Ok(()),
                [0xfe] => return Err(DriverError::MysqlOldPasswordDisabled.into()),
                packet @ [0xfe, ..] if !switched => {
                    let wanted: AuthSwitchRequest<'_> = parsed(packet, ())?;
                    (nonce, plugin) = (wanted.plugin_data().to_vec(), wanted.auth_plugin().into_owned());
                    if plugin == AuthPlugin::Ed25519 {
                        // No text, and a nought at its end not the end of one, for which it was taken.
                        nonce.resize(SIGNED_BYTES, 0);
                    }
                    let proof = self.proof(&plugin, &nonce)?;
                    switched = true;
                    connection.send(&proof).await?;
                }
                // The server knows the password already…
                [0x01, 0x03] if plugin == AuthPlugin::CachingSha2Password => {}
                // …or wants it whole, which no other way of proof ever does.
                [0x01, 0x04] if plugin == AuthPlugin::CachingSha2Password => {
                    self.tell_password(connection, &nonce).await?
                }
                _ => return Err(unexpected()),
            }
        }
    }

    fn proof(&self, plugin: &AuthPlugin<'_>, nonce: &[u8]) -> Outcome<Vec<u8>> {
        match plugin {
            AuthPlugin::CachingSha2Password | AuthPlugin::MysqlNativePassword | AuthPlugin::Ed25519 => {
                let proof = plugin.gen_data(Some(self.password.reveal()), nonce);
                Ok(proof.map(|proof| proof.to_vec()).unwrap_or_default())
            }
            AuthPlugin::MysqlOldPassword => Err(DriverError::MysqlOldPasswordDisabled.into()),
            AuthPlugin::MysqlClearPassword => Err(DriverError::CleartextPluginDisabled.into()),
            other => {
                let name = String::from_utf8_lossy(other.as_bytes()).into_owned();
                Err(DriverError::UnknownAuthPlugin { name }.into())
            }
        }
    }

    /// As it is where nobody listens; else under the server's key.
    async fn tell_password(&self, connection: &mut Connection, nonce: &[u8]) -> Outcome<()> {
        let mut password = [self.password.reveal().as_bytes(), &[0]].concat();
        if self.tls.is_none() && self.socket.is_none() {
            connection.send(&[0x02]).await?;
            let key = match connection.answer().await? {
                [0x01, key @ ..] if is_key(key) => key.to_vec(),
                _ => return Err(unexpected()),
            };
            password.iter_mut().zip(nonce.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
            password = crypto::encrypt(&password, &key);
        }
        connection.send(&password).await
    }
}

/// Whether it is a public key in PEM: what encrypts expects nothing else, and panics.
fn is_key(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.starts_with(KEY_BEGINS) && text.ends_with(KEY_ENDS) && SubjectPublicKeyInfoDer::from_pem_slice(text).is_ok()
}

fn packet_bytes_max() -> u32 {
    u32::try_from(PACKET_BYTES_MAX).expect("a packet's bound has 31 bits")
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}
