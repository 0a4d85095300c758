//! The methods of every service, by name.

use super::{Client, ClientError};
use crate::proto::{admin, lokahi};

type Answer<T> = Result<T, ClientError>;

impl Client {
    pub async fn create(&self, opts: &lokahi::CreateOpts) -> Answer<lokahi::Check> {
        self.call("github.xe.lokahi.Checks/Create", opts).await
    }

    pub async fn delete(&self, wanted: &lokahi::CheckId) -> Answer<lokahi::Check> {
        self.call("github.xe.lokahi.Checks/Delete", wanted).await
    }

    pub async fn get(&self, id: &str) -> Answer<lokahi::Check> {
        self.call("github.xe.lokahi.Checks/Get", &of(id)).await
    }

    pub async fn check_history(
        &self,
        opts: &lokahi::CheckHistoryOpts,
    ) -> Answer<lokahi::CheckHistory> {
        self.call("github.xe.lokahi.Checks/History", opts).await
    }

    pub async fn list(&self, opts: &lokahi::ListOpts) -> Answer<lokahi::ChecksPage> {
        self.call("github.xe.lokahi.Checks/List", opts).await
    }

    pub async fn pause(&self, opts: &lokahi::OverlayOpts) -> Answer<lokahi::OverlayResult> {
        self.call("github.xe.lokahi.Checks/Pause", opts).await
    }

    pub async fn mute(&self, opts: &lokahi::OverlayOpts) -> Answer<lokahi::OverlayResult> {
        self.call("github.xe.lokahi.Checks/Mute", opts).await
    }

    pub async fn acknowledge(&self, opts: &lokahi::OverlayOpts) -> Answer<lokahi::OverlayResult> {
        self.call("github.xe.lokahi.Checks/Acknowledge", opts).await
    }

    pub async fn maintain(&self, opts: &lokahi::MaintainOpts) -> Answer<lokahi::Maintenance> {
        self.call("github.xe.lokahi.Checks/Maintain", opts).await
    }

    pub async fn maintenances(
        &self,
        opts: &lokahi::MaintenancesOpts,
    ) -> Answer<lokahi::MaintenancesPage> {
        self.call("github.xe.lokahi.Checks/Maintenances", opts)
            .await
    }

    pub async fn maintenance_end(&self, id: &str) -> Answer<lokahi::Maintenance> {
        let id = lokahi::MaintenanceId { id: id.to_owned() };
        self.call("github.xe.lokahi.Checks/EndMaintenance", &id)
            .await
    }

    pub async fn put(&self, check: &lokahi::Check) -> Answer<lokahi::Check> {
        self.call("github.xe.lokahi.Checks/Put", check).await
    }

    pub async fn probe(&self, asked: &lokahi::ProbeRequest) -> Answer<lokahi::ProbeResults> {
        self.call("github.xe.lokahi.Checks/Probe", asked).await
    }

    pub async fn restore(&self, wanted: &lokahi::RestoreOpts) -> Answer<lokahi::Check> {
        self.call("github.xe.lokahi.Checks/Restore", wanted).await
    }

    pub async fn status(&self, id: &str) -> Answer<lokahi::CheckStatus> {
        self.call("github.xe.lokahi.Checks/Status", &of(id)).await
    }

    pub async fn run(&self, ids: Vec<String>) -> Answer<admin::Run> {
        let ids = admin::CheckIDs { ids };
        self.call("github.xe.lokahi.admin.RunLocal/Checks", &ids)
            .await
    }

    pub async fn run_stats(&self) -> Answer<admin::HistogramData> {
        let nothing = admin::Nil {};
        self.call("github.xe.lokahi.admin.RunLocal/Stats", &nothing)
            .await
    }

    pub async fn missing_specs(
        &self,
        digests: &lokahi::SpecDigests,
    ) -> Answer<lokahi::SpecDigests> {
        self.call("github.xe.lokahi.Projects/MissingSpecs", digests)
            .await
    }

    pub async fn upload_specs(&self, specs: &lokahi::SpecUpload) -> Answer<lokahi::SpecDigests> {
        self.call("github.xe.lokahi.Projects/UploadSpecs", specs)
            .await
    }

    pub async fn upload_index(&self, part: &lokahi::IndexPart) -> Answer<lokahi::IndexReceipt> {
        self.call("github.xe.lokahi.Projects/UploadIndex", part)
            .await
    }

    pub async fn plan(&self, request: &lokahi::PlanRequest) -> Answer<lokahi::PlanResult> {
        self.call("github.xe.lokahi.Projects/Plan", request).await
    }

    pub async fn plan_page(
        &self,
        page: &lokahi::PlanPageRequest,
    ) -> Answer<lokahi::PlanPageResult> {
        self.call("github.xe.lokahi.Projects/PlanPage", page).await
    }

    pub async fn apply(&self, request: &lokahi::ApplyRequest) -> Answer<lokahi::ApplyResult> {
        self.call("github.xe.lokahi.Projects/Apply", request).await
    }

    pub async fn progress(
        &self,
        asked: &lokahi::ProgressRequest,
    ) -> Answer<lokahi::ProgressResult> {
        self.call("github.xe.lokahi.Projects/Progress", asked).await
    }

    pub async fn projects(
        &self,
        asked: &lokahi::ProjectsRequest,
    ) -> Answer<lokahi::ProjectsResult> {
        self.call("github.xe.lokahi.Projects/Status", asked).await
    }

    pub async fn history(&self, asked: &lokahi::HistoryRequest) -> Answer<lokahi::HistoryResult> {
        self.call("github.xe.lokahi.Projects/History", asked).await
    }

    pub async fn objects(&self, asked: &lokahi::ObjectsRequest) -> Answer<lokahi::ObjectsResult> {
        self.call("github.xe.lokahi.Projects/Objects", asked).await
    }

    pub async fn suspend(&self, asked: &lokahi::SuspendRequest) -> Answer<lokahi::ProjectStatus> {
        self.call("github.xe.lokahi.Projects/Suspend", asked).await
    }

    pub async fn resume(&self, asked: &lokahi::ProjectRequest) -> Answer<lokahi::ProjectStatus> {
        self.call("github.xe.lokahi.Projects/Resume", asked).await
    }

    pub async fn approve(&self, asked: &lokahi::ApproveRequest) -> Answer<lokahi::ProjectStatus> {
        self.call("github.xe.lokahi.Projects/Approve", asked).await
    }

    pub async fn reconcile(&self, asked: &lokahi::ProjectRequest) -> Answer<lokahi::ProjectStatus> {
        self.call("github.xe.lokahi.Projects/Reconcile", asked)
            .await
    }

    pub async fn explain(&self, id: &str) -> Answer<lokahi::Explanation> {
        self.call("github.xe.lokahi.Projects/Explain", &of(id))
            .await
    }

    pub async fn receivers(&self, asked: &lokahi::ReceiversOpts) -> Answer<lokahi::ReceiversPage> {
        self.call("github.xe.lokahi.Receivers/List", asked).await
    }

    pub async fn deliveries(
        &self,
        asked: &lokahi::DeliveriesOpts,
    ) -> Answer<lokahi::DeliveriesPage> {
        self.call("github.xe.lokahi.Receivers/Deliveries", asked)
            .await
    }

    pub async fn receiver_test(&self, opts: &lokahi::TestOpts) -> Answer<lokahi::Delivery> {
        self.call("github.xe.lokahi.Receivers/Test", opts).await
    }

    pub async fn replay(&self, opts: &lokahi::ReplayOpts) -> Answer<lokahi::ReplayResult> {
        self.call("github.xe.lokahi.Receivers/Replay", opts).await
    }

    pub async fn retry(&self, opts: &lokahi::RetryOpts) -> Answer<lokahi::RetryResult> {
        self.call("github.xe.lokahi.Receivers/Retry", opts).await
    }

    pub async fn token_create(&self, opts: &lokahi::CreateTokenOpts) -> Answer<lokahi::NewToken> {
        self.call("github.xe.lokahi.Tokens/Create", opts).await
    }

    pub async fn token_list(&self, opts: &lokahi::ListTokensOpts) -> Answer<lokahi::TokensPage> {
        self.call("github.xe.lokahi.Tokens/List", opts).await
    }

    pub async fn token_revoke(&self, id_or_name: &str) -> Answer<lokahi::Token> {
        let token = id_or_name.to_owned();
        let name = lokahi::TokenName { token };
        self.call("github.xe.lokahi.Tokens/Revoke", &name).await
    }

    pub async fn audit_list(&self, opts: &lokahi::ListAuditOpts) -> Answer<lokahi::AuditPage> {
        self.call("github.xe.lokahi.Audit/List", opts).await
    }
}

fn of(id: &str) -> lokahi::CheckId {
    lokahi::CheckId {
        id: id.to_owned(),
        ..lokahi::CheckId::default()
    }
}
