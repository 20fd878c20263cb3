//! The three services of OTLP over gRPC.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::collector::{
    logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
};
use tonic::{Request, Response, Status};

use super::{Manner, Received};

#[derive(Clone)]
pub(super) struct Services {
    received: Arc<Mutex<Received>>,
    manner: Manner,
}

impl Services {
    pub(super) fn new(received: Arc<Mutex<Received>>, manner: Manner) -> Self {
        Self { received, manner }
    }

    pub(super) fn traces(&self) -> TraceServiceServer<Self> {
        TraceServiceServer::new(self.clone())
    }

    pub(super) fn metrics(&self) -> MetricsServiceServer<Self> {
        MetricsServiceServer::new(self.clone())
    }

    pub(super) fn logs(&self) -> LogsServiceServer<Self> {
        LogsServiceServer::new(self.clone())
    }

    /// Counts by `count`, keeps by `keep` if anything is kept, and answers if anybody is answered.
    async fn take<R: Default>(
        &self,
        count: impl FnOnce(&mut Received),
        keep: impl FnOnce(&mut Received),
    ) -> Result<Response<R>, Status> {
        {
            let mut received = self.received.lock().expect("nobody panicked with it");
            count(&mut received);
            if self.manner == Manner::Keeps {
                keep(&mut received);
            }
        }
        match self.manner {
            Manner::Keeps | Manner::Counts => Ok(Response::new(R::default())),
            Manner::Hangs => pending().await,
        }
    }
}

#[tonic::async_trait]
impl TraceService for Services {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let sent = request.into_inner().resource_spans;
        let spans: usize = sent.iter().flat_map(|of| &of.scope_spans).map(|of| of.spans.len()).sum();
        self.take(|received| received.span_count += spans, |received| received.traces.extend(sent)).await
    }
}

#[tonic::async_trait]
impl MetricsService for Services {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let sent = request.into_inner().resource_metrics;
        self.take(|_| (), |received| received.metrics.extend(sent)).await
    }
}

#[tonic::async_trait]
impl LogsService for Services {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let sent = request.into_inner().resource_logs;
        self.take(|_| (), |received| received.logs.extend(sent)).await
    }
}
