//! What the gateway is told at start.

use std::{num::NonZeroUsize, path::PathBuf};

use http::Uri;
use tributary_chassis::{ServerArgs, StartError, StoreArgs, database::Database};

/// Follows the feeds of a mesh, and answers questions across all of them
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "query-gateway", version, mut_arg("listen", |arg| arg.default_value("127.0.0.1:50050")))]
pub struct Config {
    /// Flags that every server has.
    #[command(flatten)]
    pub server: ServerArgs,

    /// As of every service whose store may be in PostgreSQL.
    #[command(flatten)]
    pub store: StoreArgs,

    /// The same database by the user as whom queries are run, a member of the role DATABASE_query [default: that of --store]
    #[arg(
        long,
        value_name = "DATABASE",
        env = "TRIBUTARY_READER_STORE",
        hide_env_values = true,
        requires = "store"
    )]
    pub reader_store: Option<Database>,

    /// A service to follow, under a name of your choice; may be repeated
    #[arg(long = "source", value_name = "NAME=URL", env = "TRIBUTARY_SOURCE", value_delimiter = ',', value_parser = named)]
    pub sources: Vec<NamedSource>,

    /// Directory of the views: every file that ends in .sql
    #[arg(long, value_name = "DIR", env = "TRIBUTARY_VIEWS")]
    pub views: Option<PathBuf>,

    /// A .proto file whose methods with an option (tributary.options.v1.sql) are served; may be repeated
    #[arg(long, value_name = "FILE", env = "TRIBUTARY_API", value_delimiter = ',')]
    pub api: Vec<PathBuf>,

    /// Where the imports of the API files begin [default: their path without that of their package]
    #[arg(long, value_name = "DIR", env = "TRIBUTARY_PROTO_PATH")]
    pub proto_path: Option<PathBuf>,

    /// Take whatever history and schema this source has now, by a new snapshot; for this start
    #[arg(long, value_name = "NAME", env = "TRIBUTARY_RESNAPSHOT", value_delimiter = ',')]
    pub resnapshot: Vec<String>,

    /// Changes that share a transaction, at most; a frame of a feed is never cut
    #[arg(long, value_name = "N", env = "TRIBUTARY_BATCH_LIMIT", default_value = "5000")]
    pub batch_limit: NonZeroUsize,

    /// Which replica of the gateway this is, from 0; a store in a file has one owner, and refuses all but 0
    #[arg(long, value_name = "N", env = "TRIBUTARY_REPLICA", default_value = "0")]
    pub replica: u32,
}

/// A service to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSource {
    /// `[a-z][a-z0-9_-]*`.
    pub name: String,
    /// For example `http://127.0.0.1:50054`.
    pub endpoint: Uri,
}

impl Config {
    /// What no single flag shows to be wrong.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        for (place, source) in self.sources.iter().enumerate() {
            if self.sources[..place].iter().any(|other| other.name == source.name) {
                return Err(StartError::usage("--source", &source.name, "each name can be given once"));
            }
        }
        for name in &self.resnapshot {
            if !self.sources.iter().any(|source| source.name == *name) {
                return Err(StartError::usage("--resnapshot", name, "give the name of a --source"));
            }
        }
        Ok(())
    }
}

impl AsRef<ServerArgs> for Config {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}

fn named(text: &str) -> Result<NamedSource, String> {
    let (name, url) = text.split_once('=').ok_or("write NAME=URL, as in library=http://127.0.0.1:50061")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(plain) {
        return Err("a name is [a-z][a-z0-9_-]*".to_owned());
    }
    let endpoint: Uri = url.parse().map_err(|error| format!("`{url}` is no URL: {error}"))?;
    if endpoint.scheme_str() != Some("http") || endpoint.authority().is_none() {
        return Err(format!("`{url}` is no URL of the form http://HOST:PORT"));
    }
    Ok(NamedSource { name: name.to_owned(), endpoint })
}
