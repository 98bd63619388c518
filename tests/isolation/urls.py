"""The URLs of the site of many users."""

from __future__ import annotations

from django.urls import path

from tests.isolation import views

handler500 = views.server_error
urlpatterns = [
    path("gate/<int:pk>/", views.gate),
    path("agate/<int:pk>/", views.agate),
    path("page/", views.page),
    path("rendered/", views.rendered),
    path("arendered/", views.arendered),
    path("can/", views.can),
    path("acan/", views.acan),
    path("permissions/", views.permissions),
    path("apermissions/", views.apermissions),
    path("lists/", views.lists),
    path("alists/", views.alists),
    path("api/", views.Api.as_view()),
    path("background/", views.background),
    path("found/", views.found),
    path("hops/", views.hops),
    path("stream/", views.stream),
    path("astream/", views.astream),
    path("broken/", views.broken),
    path("abroken/", views.abroken),
    path("enter/", views.enter),
    path("leave/", views.leave),
    path("return/", views.come_back),
    path("held/", views.held),
    path("process/", views.process),
    path("pid/", views.pid),
]
