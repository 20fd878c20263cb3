//! What a server says about itself (`grpc.reflection.v1`): its services, and their descriptors.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Code, Status, Streaming, transport::Channel};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

/// The full names of the services that the server lists, in order.
pub(crate) async fn services(channel: Channel) -> Result<Vec<String>, Status> {
    let (_, services) = Session::open(channel).await?;
    Ok(services)
}

/// The services that the server lists, and the descriptors of those that it also describes. All of them
/// at once: what one sends in a `google.protobuf.Any` may be described by another.
pub(crate) async fn describe(channel: Channel) -> Result<(Vec<String>, DescriptorPool), Status> {
    let (mut session, services) = Session::open(channel.clone()).await?;
    let mut files = Vec::new();
    for service in &services {
        match session.files_of(service).await {
            Ok(more) => files.extend(more),
            // Listed and not described; servers end the stream with that.
            Err(status) if status.code() == Code::NotFound => {
                (session, _) = Session::open(channel.clone()).await?;
            }
            Err(status) => return Err(status),
        }
    }
    session.add_imports(&mut files).await?;
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.name().to_owned()));
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_protos(files)
        .map_err(|error| Status::internal(format!("the descriptors of the server do not fit: {error}")))?;
    Ok((services, pool))
}

/// One stream of questions, each answered before the next is asked.
struct Session {
    questions: mpsc::Sender<ServerReflectionRequest>,
    answers: Streaming<ServerReflectionResponse>,
}

impl Session {
    /// Also gives the services: a server may hold back the head of its reply until the first question.
    async fn open(channel: Channel) -> Result<(Self, Vec<String>), Status> {
        let (questions, receiver) = mpsc::channel(1);
        let first = tokio_stream::iter([question(MessageRequest::ListServices(String::new()))]);
        let requests = first.chain(ReceiverStream::new(receiver));
        let answers =
            ServerReflectionClient::new(channel).server_reflection_info(requests).await?.into_inner();
        let mut session = Self { questions, answers };
        match session.answer().await? {
            MessageResponse::ListServicesResponse(list) => {
                let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
                names.sort();
                Ok((session, names))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn files_of(&mut self, symbol: &str) -> Result<Vec<FileDescriptorProto>, Status> {
        self.files(MessageRequest::FileContainingSymbol(symbol.to_owned())).await
    }

    /// A server may answer with one file alone, or with all that it imports.
    async fn add_imports(&mut self, files: &mut Vec<FileDescriptorProto>) -> Result<(), Status> {
        let mut known: BTreeSet<String> = files.iter().map(|file| file.name().to_owned()).collect();
        let mut next = 0;
        while next < files.len() {
            for import in files[next].dependency.clone() {
                if known.insert(import.clone()) {
                    files.extend(self.files(MessageRequest::FileByFilename(import)).await?);
                }
            }
            next += 1;
        }
        Ok(())
    }

    async fn files(&mut self, request: MessageRequest) -> Result<Vec<FileDescriptorProto>, Status> {
        // If nobody takes the question any more, the answer is why.
        let _ = self.questions.send(question(request)).await;
        match self.answer().await? {
            MessageResponse::FileDescriptorResponse(files) => files
                .file_descriptor_proto
                .iter()
                .map(|bytes| FileDescriptorProto::decode(bytes.as_slice()))
                .collect::<Result<_, _>>()
                .map_err(|error| Status::internal(format!("a descriptor of the server: {error}"))),
            MessageResponse::ErrorResponse(error) => {
                Err(Status::new(error.error_code.into(), error.error_message))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn answer(&mut self) -> Result<MessageResponse, Status> {
        let answer = self.answers.message().await?.and_then(|answer| answer.message_response);
        answer.ok_or_else(|| Status::internal("the server ended its reflection without an answer"))
    }
}

fn question(request: MessageRequest) -> ServerReflectionRequest {
    ServerReflectionRequest { host: String::new(), message_request: Some(request) }
}

fn unexpected(answer: &MessageResponse) -> Status {
    Status::internal(format!("reflection answered something else: {answer:?}"))
}
