//! Brings what files declare to the server: the index, and the specs that it lacks.

use futures_util::{StreamExt as _, stream};

use crate::cli::exit::Failure;
use crate::client::Client;
use crate::model::change::Kind;
use crate::model::desired::Declared;
use crate::plan::state::{EncodedSpecs, Wanted};
use crate::plan::wire;
use crate::proto::lokahi::{
    Declared as WireDeclared, IndexPart, PlanRequest, SpecDigests, SpecUpload,
};
use crate::spec::Digest;

/// How much one upload of specs holds, in bytes; the server takes 4 MiB.
const UPLOAD: usize = 2 * 1024 * 1024;
/// How many objects one part of the index has.
const PART: usize = 12_500;
/// How many parts are on their way at once.
const AT_ONCE: usize = 2;

/// Uploads, and gives the request that asks for the plan.
pub(super) async fn upload(
    client: &Client,
    wanted: &Wanted,
    specs: &EncodedSpecs,
) -> Result<PlanRequest, Failure> {
    let mut checks = wanted.checks.iter().map(wire_declared);
    let first = IndexPart {
        webhooks: wanted.webhooks.iter().map(wire_declared).collect(),
        checks: checks.by_ref().take(PART).collect(),
        part: Some(0),
        ..IndexPart::default()
    };
    let receipt = client.upload_index(&first).await?;
    let (upload_id, mut missing) = (receipt.upload_id, receipt.missing);
    let parts = (1..).map_while(|part| {
        let checks: Vec<WireDeclared> = checks.by_ref().take(PART).collect();
        (!checks.is_empty()).then(|| IndexPart {
            upload_id: upload_id.clone(),
            checks,
            part: Some(part),
            ..IndexPart::default()
        })
    });
    let mut receipts = stream::iter(parts)
        .map(async |part: IndexPart| client.upload_index(&part).await)
        .buffer_unordered(AT_ONCE);
    while let Some(receipt) = receipts.next().await {
        missing.extend(receipt?.missing);
    }
    drop(receipts);
    let project = wanted.project_spec.map(|digest| digest.0.to_vec());
    let project = project.unwrap_or_default();
    let asked = SpecDigests {
        digests: vec![project.clone()],
    };
    missing.extend(client.missing_specs(&asked).await?.digests);
    let (mut upload, mut size) = (SpecUpload::default(), 0);
    for digest in missing {
        let Ok(digest) = digest.try_into().map(Digest) else {
            continue;
        };
        let Some((kind, bytes)) = specs.get(&digest) else {
            continue;
        };
        if size + bytes.len() > UPLOAD {
            client.upload_specs(&std::mem::take(&mut upload)).await?;
            size = 0;
        }
        size += bytes.len() + 8;
        let bytes = bytes.clone();
        match kind {
            Kind::Check => upload.checks.push(bytes),
            Kind::Webhook => upload.webhooks.push(bytes),
            Kind::Project => upload.projects.push(bytes),
        }
    }
    if size > 0 {
        client.upload_specs(&upload).await?;
    }
    Ok(PlanRequest {
        project: wanted.project.to_string(),
        upload_id,
        project_digest: project,
        project_file: wanted.project_source.file.clone(),
        project_line: i32::try_from(wanted.project_source.line).unwrap_or(i32::MAX),
        moves: wanted.moves.iter().map(wire::to_move).collect(),
        ..PlanRequest::default()
    })
}

fn wire_declared((address, declared): (&String, &Declared<Digest>)) -> WireDeclared {
    WireDeclared {
        address: address.clone(),
        digest: declared.spec.0.to_vec(),
        file: declared.source.file.clone(),
        line: i32::try_from(declared.source.line).unwrap_or(i32::MAX),
    }
}
