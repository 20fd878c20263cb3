//! A PostgreSQL that is reached by TCP, and by TLS alone: with a certificate for `localhost`, which an authority of its own
//! has signed.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sqlx::{AssertSqlSafe, ConnectOptions as _, postgres::PgConnectOptions};

use super::{Cluster, MADE, SUPERUSER, installed, start};

/// Who connects by TCP without TLS is refused.
const ADMITTED: &str = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";

/// A database of its own in such a server.
#[derive(Debug)]
pub struct Secured {
    /// Without anything of TLS.
    pub url: String,
    /// The certificate of the authority that signed the server's.
    pub authority: PathBuf,
    /// That of one that did not.
    pub stranger: PathBuf,
}

impl Secured {
    /// As one who believes that authority connects, and nobody else.
    pub fn verified_by(&self, authority: &Path) -> String {
        format!("{}?sslmode=verify-full&sslrootcert={}", self.url, authority.display())
    }

    /// How many sessions others have with the database, and how many of them are encrypted.
    pub async fn sessions(&self) -> (i64, i64) {
        let options: PgConnectOptions = self.verified_by(&self.authority).parse().unwrap();
        let mut session = options.disable_statement_logging().connect().await.unwrap();
        let count =
            "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sqlx::query_as(count).fetch_one(&mut session).await.unwrap()
    }
}

/// A database; `None` after saying that `test` is skipped, where there is no PostgreSQL.
pub async fn database(test: &str) -> Option<Secured> {
    static CLUSTER: OnceLock<(Cluster, u16)> = OnceLock::new();
    let programs = installed(test)?;
    let (cluster, port) = CLUSTER.get_or_init(|| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        (start(&programs, |directory, user| secure(directory, user, port)), port)
    });
    let name = format!("secured_{}", MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut cluster.connect_at(*port).await).await.unwrap();
    Some(Secured {
        url: format!("postgres://{SUPERUSER}@localhost:{port}/{name}"),
        authority: cluster.directory.join("authority.pem"),
        stranger: cluster.directory.join("stranger.pem"),
    })
}

/// Writes down certificates and who is admitted; the server's settings.
fn secure(directory: &Path, user: Option<(u32, u32)>, port: u16) -> Vec<String> {
    let (authority, stranger) = (issuer(), issuer());
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &authority).unwrap();
    fs::write(directory.join("authority.pem"), authority.pem()).unwrap();
    fs::write(directory.join("stranger.pem"), stranger.pem()).unwrap();
    fs::write(directory.join("data/pg_hba.conf"), ADMITTED).unwrap();
    for (name, content) in [("server.pem", certificate.pem()), ("server.key", key.serialize_pem())] {
        let path = directory.join("data").join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((uid, gid)) = user {
            chown(&path, Some(uid), Some(gid)).unwrap();
        }
    }
    let port = format!("port={port}");
    let settings = [
        "listen_addresses=127.0.0.1",
        &port,
        "ssl=on",
        "ssl_cert_file=server.pem",
        "ssl_key_file=server.key",
    ];
    settings.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]).collect()
}

fn issuer() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    // Another name than the server's, which would be taken for one that signed itself.
    params.distinguished_name.push(DnType::CommonName, "an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
