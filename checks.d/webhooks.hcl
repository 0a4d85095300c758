# Who hears of it when a check goes down and comes back. A check refers to this
# receiver as webhook.sample_hook.

webhook "sample_hook" {
  url    = "${local.hook}/twirp/github.xe.lokahi.Webhook/Handle"
  format = "protobuf"
}
