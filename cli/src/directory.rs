//! Who serves what: asked of the servers themselves, so that a new service needs no entry here.

use futures::future::join_all;
use prost_reflect::MethodDescriptor;
use tonic::Status;

use crate::{
    endpoint::Target,
    failure::{Failure, root_cause},
    mesh::Mesh,
    reflection, suggest, terminal,
};

/// A server with the services that it lists, or why it did not.
struct Entry {
    target: Target,
    services: Result<Vec<String>, Status>,
}

/// The one that is named, or every server of the mesh.
pub(crate) fn targets(mesh: &Mesh, to: Option<&str>) -> Result<Vec<Target>, Failure> {
    match to {
        Some(to) => Ok(vec![Target::parse(mesh, to)?]),
        None => Target::all(mesh),
    }
}

/// Asks all of them at once.
async fn ask(mesh: &Mesh, to: Option<&str>) -> Result<Vec<Entry>, Failure> {
    let entries = targets(mesh, to)?.into_iter().map(|target| async {
        let services = reflection::services(target.channel.clone()).await;
        Entry { target, services }
    });
    Ok(join_all(entries).await)
}

/// A method, and the server that has it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) target: Target,
    pub(crate) method: MethodDescriptor,
}

impl Found {
    /// `SERVICE/METHOD`, in full.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.method.parent_service().full_name(), self.method.name())
    }
}

/// Finds `SERVICE/METHOD`; the service by its full name, or by the end of it if that is unambiguous.
pub(crate) async fn find(mesh: &Mesh, to: Option<&str>, path: &str) -> Result<Found, Failure> {
    let (service, method) = split(path)?;
    let entries = ask(mesh, to).await?;
    let (target, service) = choose(&entries, service)?;
    let (_, pool) = reflection::describe(target.channel.clone())
        .await
        .map_err(|status| Failure::call(&target.name, &status))?;
    let descriptor = pool.get_service_by_name(&service).ok_or_else(|| {
        Failure::failed(format!("{} lists {service} and does not describe it", target.name))
    })?;
    let names: Vec<_> = descriptor.methods().map(|method| method.name().to_owned()).collect();
    match descriptor.methods().find(|candidate| candidate.name() == method) {
        Some(method) => Ok(Found { target, method }),
        None => Err(Failure::usage(format!(
            "{service} has no method `{method}`.{}\n  it has {}",
            suggest::did_you_mean(method, names.iter().map(String::as_str)),
            names.join(", ")
        ))),
    }
}

/// `pkg.Service/Method`; also with the leading slash of the wire, or with a dot before the method.
fn split(path: &str) -> Result<(&str, &str), Failure> {
    let path = path.trim_start_matches('/');
    path.rsplit_once(['/', '.'])
        .filter(|(service, method)| !service.is_empty() && !method.is_empty() && !service.contains('/'))
        .ok_or_else(|| {
            Failure::usage(format!("`{path}` is not SERVICE/METHOD, as in shop.orders.v1.Orders/GetOrder"))
        })
}

/// The one server that has the one service that is meant.
fn choose(entries: &[Entry], wanted: &str) -> Result<(Target, String), Failure> {
    let served: Vec<(&Entry, &str)> = entries
        .iter()
        .flat_map(|entry| entry.services.iter().flatten().map(move |name| (entry, name.as_str())))
        .collect();
    let mut hits: Vec<_> = served.iter().filter(|(_, name)| *name == wanted).collect();
    if hits.is_empty() {
        hits = served.iter().filter(|(_, name)| name.ends_with(&format!(".{wanted}"))).collect();
    }
    match hits.as_slice() {
        [] => Err(nobody(entries, &served, wanted)),
        [(entry, name)] => Ok((entry.target.clone(), (*name).to_owned())),
        several => {
            let list: Vec<_> =
                several.iter().map(|(entry, name)| format!("{name} at {}", entry.target.name)).collect();
            Err(Failure::usage(format!(
                "`{wanted}` may be one of several: {}; say which with --to NAME or the full name",
                list.join(", ")
            )))
        }
    }
}

/// If no server answered, that is what is wrong; else the name may be, or a server that is down.
fn nobody(entries: &[Entry], served: &[(&Entry, &str)], wanted: &str) -> Failure {
    let silent: Vec<_> = entries
        .iter()
        .filter_map(|entry| Some((&entry.target.name, entry.services.as_ref().err()?)))
        .collect();
    if let (true, Some((name, status))) = (served.is_empty(), silent.first()) {
        return Failure::call(name, status);
    }
    let mut text = format!(
        "no server that answers has a service `{wanted}`.{}",
        suggest::did_you_mean(wanted, served.iter().map(|(_, name)| *name))
    );
    for (name, status) in &silent {
        text.push_str(&format!("\n  {name} does not answer: {}", root_cause(status)));
    }
    text.push_str(&format!("\n  `{} list` shows what there is", terminal::program()));
    // The name may be right, and the server that has it down.
    if silent.is_empty() { Failure::usage(text) } else { Failure::failed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, services: Result<&[&str], Status>) -> Entry {
        let mesh = Mesh::new([127, 0, 0, 1].into());
        let services = services.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        Entry { target: Target::parse(&mesh, name).unwrap(), services }
    }

    fn chosen(wanted: &str) -> Result<(String, String), String> {
        let entries = [
            entry("customers", Ok(&["shop.customers.v1.Customers", "tributary.feed.v1.ChangeFeed"])),
            entry("catalog", Ok(&["shop.catalog.v1.Catalog", "tributary.feed.v1.ChangeFeed"])),
            entry("orders", Err(Status::unavailable("refused"))),
        ];
        choose(&entries, wanted)
            .map(|(target, service)| (target.name, service))
            .map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn paths_are_split_at_the_method() {
        for path in ["a.B/C", "/a.B/C", "a.B.C"] {
            assert_eq!(split(path).unwrap(), ("a.B", "C"));
        }
        for path in ["", "a", "a/", "/a", "a/b/c"] {
            assert!(split(path).is_err(), "{path}");
        }
    }

    #[tokio::test]
    async fn a_service_is_found_by_its_name_or_the_end_of_it() {
        let catalog = ("catalog".to_owned(), "shop.catalog.v1.Catalog".to_owned());
        assert_eq!(chosen("shop.catalog.v1.Catalog").unwrap(), catalog);
        assert_eq!(chosen("Catalog").unwrap(), catalog);
    }

    #[tokio::test]
    async fn what_several_serve_needs_a_server() {
        let text = chosen("ChangeFeed").unwrap_err();
        assert!(
            text.contains("at customers") && text.contains("at catalog") && text.contains("--to"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn what_nobody_serves_is_told_with_a_guess_and_who_is_silent() {
        let text = chosen("shop.catalog.v1.Catalogue").unwrap_err();
        assert!(text.contains("Did you mean `shop.catalog.v1.Catalog`?"), "{text}");
        assert!(text.contains("orders does not answer"), "{text}");
    }
}
