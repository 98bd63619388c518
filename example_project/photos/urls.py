"""The addresses of albums and photos."""

from __future__ import annotations

from django.urls import path

from example_project.photos import views

app_name = "photos"

urlpatterns = [
    path("", views.Gallery.as_view(), name="gallery"),
    path("albums/<slug:slug>/", views.AlbumPage.as_view(), name="album"),
    path("albums/<slug:slug>/upload/", views.PhotoUpload.as_view(), name="upload"),
    path("photos/<int:pk>/", views.PhotoDetail.as_view(), name="detail"),
    path("photos/<int:pk>/edit/", views.PhotoEdit.as_view(), name="edit"),
    path("photos/<int:pk>/delete/", views.PhotoDelete.as_view(), name="delete"),
    path("photos/<int:pk>/image.svg", views.photo_image, name="image"),
    path("what-may-i-do/", views.WhatMayIDo.as_view(), name="what"),
]
