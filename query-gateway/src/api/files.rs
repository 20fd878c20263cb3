//! The `.proto` files of typed queries, compiled when the gateway starts.

use std::{
    fmt,
    path::{Component, Path, PathBuf, absolute},
};

use prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor};
use protox::{
    Compiler,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver},
};
use tributary_proto::options::v1 as options;

/// The method option that holds the SQL.
const SQL_OPTION: &str = "tributary.options.v1.sql";
/// Served by the gateway itself: a file that declares one of them would never be asked.
const OWN_SERVICES: [&str; 4] = [
    "tributary.query.v1.QueryGateway",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// An API file that cannot be served, whatever the tables are; the gateway does not start with it.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct ApiError {
    /// As given by `--api`, or as it is imported.
    pub file: String,
    /// What is wrong and where, and what to change.
    pub reason: String,
}

impl ApiError {
    fn file(file: &Path, reason: impl ToString) -> Self {
        Self { file: file.display().to_string(), reason: reason.to_string() }
    }

    pub(super) fn method(method: &MethodDescriptor, reason: impl fmt::Display) -> Self {
        let file = method.parent_service().parent_file().name().to_owned();
        Self { file, reason: format!("method {}: {reason}", path(method)) }
    }
}

/// `package.Service/Method`, as grpcurl writes it.
pub(super) fn path(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

/// The methods of some files, each with its SQL, and the descriptors of all that they import.
pub(super) struct Compiled {
    pub(super) methods: Vec<(MethodDescriptor, String)>,
    pub(super) descriptors: Vec<u8>,
}

/// Compiles `files`. Without `proto_path` the root of the imports of each is found by taking its package
/// off its path; a file that does not lie in the folders of its package has its own folder as root.
pub(super) fn compile(files: &[PathBuf], proto_path: Option<&Path>) -> Result<Compiled, ApiError> {
    let placed = files.iter().map(|file| place(file, proto_path)).collect::<Result<Vec<_>, _>>()?;
    let mut compiler = Compiler::with_file_resolver(resolver(&placed));
    compiler.include_imports(true).include_source_info(true);
    for (i, Placed { file, name, .. }) in placed.iter().enumerate() {
        if let Some(other) = placed[..i].iter().find(|other| other.name == *name) {
            let reason = format!("is imported as {name}, and so is {}: give it once", other.file.display());
            return Err(ApiError::file(file, reason));
        }
        compiler.open_file(name).map_err(|error| ApiError::file(file, located(&error)))?;
    }
    let pool = compiler.descriptor_pool();
    let mut methods = Vec::new();
    for Placed { file, name, .. } in &placed {
        methods.extend(methods_of(&pool, file, name)?);
    }
    // Bytes, not prost structs: those would drop the SQL.
    Ok(Compiled { methods, descriptors: compiler.encode_file_descriptor_set() })
}

/// Where a file lies, and how others import it.
struct Placed {
    file: PathBuf,
    root: PathBuf,
    name: String,
}

fn place(file: &Path, proto_path: Option<&Path>) -> Result<Placed, ApiError> {
    let full = file.canonicalize().map_err(|error| ApiError::file(file, error))?;
    let (root, name) = match proto_path {
        Some(root) => below(file, &full, root)?,
        None => {
            let root = infer_root(file, &full)?;
            let name = full.strip_prefix(&root).ok().and_then(import_name);
            (root, name)
        }
    };
    let name = name.ok_or_else(|| ApiError::file(file, "has a name that is not UTF-8"))?;
    Ok(Placed { file: file.to_owned(), root, name })
}

/// The root, and how a file below it is imported. A file that is a link, as all are in a mounted ConfigMap, is imported
/// by its own name, and not by that of what it leads to.
fn below(file: &Path, full: &Path, root: &Path) -> Result<(PathBuf, Option<String>), ApiError> {
    let wrong = |error| ApiError::file(root, error);
    let full_root = root.canonicalize().map_err(wrong)?;
    let named = absolute(file).map_err(|error| ApiError::file(file, error))?;
    let as_named = named.strip_prefix(absolute(root).map_err(wrong)?).ok().and_then(import_name);
    if as_named.is_some() {
        return Ok((full_root, as_named));
    }
    let relative = full
        .strip_prefix(&full_root)
        .map_err(|_| ApiError::file(file, format!("lies outside of --proto-path {}", full_root.display())))?;
    let name = import_name(relative);
    Ok((full_root, name))
}

fn infer_root(file: &Path, full: &Path) -> Result<PathBuf, ApiError> {
    let parsed = File::open(&file.to_string_lossy(), full).map_err(|e| ApiError::file(file, located(&e)))?;
    let folder = full.parent().unwrap_or(Path::new("/"));
    let package: PathBuf = parsed.file_descriptor_proto().package().split('.').collect();
    if !folder.ends_with(&package) {
        return Ok(folder.to_owned());
    }
    Ok(folder.ancestors().nth(package.components().count()).unwrap_or(folder).to_owned())
}

fn import_name(relative: &Path) -> Option<String> {
    let parts = relative.components().map(|part| match part {
        Component::Normal(part) => part.to_str(),
        _ => None,
    });
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}

/// Our options come first: they decide what the gateway reads, whatever copy of them lies about.
fn resolver(placed: &[Placed]) -> ChainFileResolver {
    let mut chain = ChainFileResolver::new();
    chain.add(OptionsFile);
    let mut roots: Vec<_> = placed.iter().map(|placed| &placed.root).collect();
    roots.sort();
    roots.dedup();
    roots.into_iter().for_each(|root| chain.add(IncludeFileResolver::new(root.clone())));
    chain.add(GoogleFileResolver::new());
    chain
}

struct OptionsFile;

impl FileResolver for OptionsFile {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == options::PROTO_PATH {
            File::from_source(name, options::PROTO)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

/// protox keeps the place of a mistake in the `Debug` form alone.
fn located(error: &protox::Error) -> String {
    format!("{error:?}")
}

fn methods_of(
    pool: &DescriptorPool,
    file: &Path,
    name: &str,
) -> Result<Vec<(MethodDescriptor, String)>, ApiError> {
    let services: Vec<_> = pool
        .get_file_by_name(name)
        .into_iter()
        .flat_map(|file| file.services().collect::<Vec<_>>())
        .collect();
    if let Some(own) = services.iter().find(|service| OWN_SERVICES.contains(&service.full_name())) {
        let reason = format!("declares {}, which the gateway serves itself: rename it", own.full_name());
        return Err(ApiError::file(file, reason));
    }
    let option = pool.get_extension_by_name(SQL_OPTION);
    let methods: Vec<_> = services.iter().flat_map(|service| service.methods()).collect();
    if methods.is_empty() {
        return Err(ApiError::file(file, "declares no method: there is nothing in it to serve"));
    }
    methods.into_iter().map(|method| Ok((method.clone(), sql_of(&method, option.as_ref())?))).collect()
}

fn sql_of(method: &MethodDescriptor, option: Option<&ExtensionDescriptor>) -> Result<String, ApiError> {
    if method.is_client_streaming() {
        return Err(ApiError::method(method, "a query takes one request: drop `stream` before its type"));
    }
    let options = method.options();
    // The extension must be asked for: reading an option that is not set gives its default.
    let sql = option
        .filter(|option| options.has_extension(option))
        .and_then(|option| options.get_extension(option).as_str().map(str::to_owned))
        .filter(|sql| !sql.trim().is_empty());
    sql.ok_or_else(|| {
        let reason = format!("has no SQL: give it `option ({SQL_OPTION}) = \"SELECT ...\"`");
        ApiError::method(method, reason)
    })
}

#[cfg(test)]
mod tests;
