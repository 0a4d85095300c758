//! What check files would declare, told to a server without any: its index and specs are
//! uploaded, planned, and applied by the plan's token, as lokahictl does it.

use lokahi::client::{Client, ClientError};
use lokahi::model::change::Kind;
use lokahi::model::check::CheckSpec;
use lokahi::model::desired::{Declared, Desired, ProjectSpec, SourceLine};
use lokahi::model::webhook::WebhookSpec;
use lokahi::plan::state::Wanted;
use lokahi::plan::wire::to_move;
use lokahi::proto::lokahi::{
    ApplyRequest, ApplyResult, Declared as WireDeclared, IndexPart, PlanRequest, PlanResult,
    SpecUpload,
};

type Answer<T> = Result<T, ClientError>;

/// A project as it is to be; all of it stands in `web.hcl`, line 14.
#[derive(Clone)]
pub(crate) struct Declaring {
    pub(crate) desired: Desired,
    /// What else the plan is asked for.
    pub(crate) request: PlanRequest,
}

impl Declaring {
    pub(crate) fn new(project: &str) -> Self {
        Self {
            desired: Desired {
                project: project.parse().unwrap(),
                checks: Default::default(),
                webhooks: Default::default(),
                project_spec: ProjectSpec::default(),
                project_source: SourceLine::default(),
                moves: Vec::new(),
            },
            request: PlanRequest::default(),
        }
    }

    pub(crate) fn check(mut self, address: &str, spec: CheckSpec) -> Self {
        let declared = declared(spec);
        self.desired.checks.insert(address.to_owned(), declared);
        self
    }

    pub(crate) fn webhook(mut self, address: &str, spec: WebhookSpec) -> Self {
        let declared = declared(spec);
        self.desired.webhooks.insert(address.to_owned(), declared);
        self
    }

    /// Uploads the specs.
    pub(crate) async fn upload_specs(&self, client: &Client) -> Answer<()> {
        let mut upload = SpecUpload::default();
        for (kind, bytes) in Wanted::of(self.desired.clone()).1.into_values() {
            match kind {
                Kind::Check => upload.checks.push(bytes),
                Kind::Webhook => upload.webhooks.push(bytes),
                Kind::Project => upload.projects.push(bytes),
            }
        }
        client.upload_specs(&upload).await.map(drop)
    }

    /// Uploads the index, and gives what asks for its plan.
    pub(crate) async fn upload_index(&self, client: &Client) -> Answer<PlanRequest> {
        let (wanted, _) = Wanted::of(self.desired.clone());
        let part = IndexPart {
            upload_id: String::new(),
            checks: wanted.checks.iter().map(index).collect(),
            webhooks: wanted.webhooks.iter().map(index).collect(),
            part: None,
        };
        let upload_id = client.upload_index(&part).await?.upload_id;
        let spec = wanted.project_spec.map(|digest| digest.0.to_vec());
        Ok(PlanRequest {
            project: self.desired.project.to_string(),
            upload_id,
            project_digest: spec.unwrap_or_default(),
            moves: wanted.moves.iter().map(to_move).collect(),
            ..self.request.clone()
        })
    }

    /// Uploads everything, and plans.
    pub(crate) async fn plan(&self, client: &Client) -> Answer<PlanResult> {
        self.upload_specs(client).await?;
        client.plan(&self.upload_index(client).await?).await
    }

    /// Uploads everything, plans, and applies that.
    pub(crate) async fn apply(&self, client: &Client) -> Answer<ApplyResult> {
        apply(client, &self.plan(client).await?).await
    }
}

/// Applies what a plan showed.
pub(crate) async fn apply(client: &Client, plan: &PlanResult) -> Answer<ApplyResult> {
    let request = ApplyRequest {
        token: plan.token.clone(),
        allow: None,
    };
    client.apply(&request).await
}

fn declared<T>(spec: T) -> Declared<T> {
    let source = SourceLine {
        file: "web.hcl".to_owned(),
        line: 14,
    };
    Declared { spec, source }
}

fn index((address, declared): (&String, &Declared<lokahi::spec::Digest>)) -> WireDeclared {
    WireDeclared {
        address: address.clone(),
        digest: declared.spec.0.to_vec(),
        file: declared.source.file.clone(),
        line: declared.source.line.cast_signed(),
    }
}
