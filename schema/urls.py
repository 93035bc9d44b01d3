"""Every path that the server answers."""

from django.contrib import admin
from django.urls import path

from schema import health, http
from schema.explorer.views import home

handler400 = "schema.refusals.bad_request"
handler403 = "schema.refusals.forbidden"
handler404 = "schema.refusals.not_found"
handler500 = "schema.refusals.fault"

urlpatterns = [
    path("", home),
    path("graphql", http.graphql),
    path("graphql/", http.graphql),
    path("schema.graphql", health.contract),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("admin/", admin.site.urls),
]
