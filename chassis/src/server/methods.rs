//! What a server serves, as its descriptor sets tell it: for reflection, and for the labels of metrics.

use std::{borrow::Cow, collections::HashSet};

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic_reflection::server::{
    Builder,
    v1::{ServerReflection, ServerReflectionServer},
    v1alpha::{ServerReflection as OldReflection, ServerReflectionServer as OldReflectionServer},
};

use crate::run::StartError;

/// The names under which reflection itself is listed.
pub(super) fn reflection_services() -> [String; 2] {
    ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"].map(str::to_owned)
}

/// Reflection in its two versions: older tools ask in the older one only.
///
/// The sets are registered as bytes: decoding them here would drop the options of the protos.
#[allow(clippy::type_complexity, reason = "two services whose types cannot be named")]
pub(super) fn reflection(
    services: &[String],
    sets: &[Cow<'static, [u8]>],
) -> Result<
    (ServerReflectionServer<impl ServerReflection>, OldReflectionServer<impl OldReflection>),
    StartError,
> {
    let builder = || {
        let builder = sets.iter().fold(Builder::configure().include_reflection_service(false), |b, set| {
            b.register_encoded_file_descriptor_set(set)
        });
        services.iter().fold(builder, |b, name| b.with_service_name(name))
    };
    let failed = |e| StartError::new("reading descriptors for reflection", e);
    Ok((builder().build_v1().map_err(failed)?, builder().build_v1alpha().map_err(failed)?))
}

/// The paths of all methods of `services`: `/package.Service/Method`.
pub(super) fn of(services: &[String], sets: &[Cow<'static, [u8]>]) -> Result<HashSet<String>, StartError> {
    let mut paths = HashSet::new();
    for set in sets {
        let set = FileDescriptorSet::decode(&**set).map_err(|e| StartError::new("reading descriptors", e))?;
        for file in &set.file {
            for service in &file.service {
                let name = match file.package() {
                    "" => service.name().to_owned(),
                    package => format!("{package}.{}", service.name()),
                };
                if services.contains(&name) {
                    paths.extend(service.method.iter().map(|method| format!("/{name}/{}", method.name())));
                }
            }
        }
    }
    Ok(paths)
}
