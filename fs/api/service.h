/* SPDX-License-Identifier: MIT
 *
 * The functions behind struct vf_service_ops. service is the struct vf_api.
 */
#ifndef VF_API_SERVICE_H
#define VF_API_SERVICE_H

#include "vaultfs/api.h"

/* lists.c */
int vf_service_list_vaults(void *service, const struct vf_list_query *query,
                           struct vf_page *ret, struct vf_error *err);
int vf_service_list_credentials(void *service, const char *vault_id,
                                const struct vf_list_query *query,
                                struct vf_page *ret, struct vf_error *err);

/* vaults.c */
int vf_service_create_vault(void *service, const struct vf_vault_spec *spec,
                            struct vf_key *key, int64_t deadline_ms,
                            struct vf_object *ret,
                            struct vf_page *ret_credentials,
                            struct vf_error *err);
int vf_service_update_vault(void *service, const char *vault_id,
                            const struct vf_vault_spec *spec,
                            const char *current_text, size_t current_size,
                            int64_t deadline_ms, struct vf_object *ret,
                            struct vf_error *err);
int vf_service_archive_vault(void *service, const char *vault_id,
                             int64_t deadline_ms, struct vf_error *err);
int vf_service_delete_vault(void *service, const char *vault_id,
                            int64_t deadline_ms, struct vf_error *err);

/* credentials.c */
int vf_service_create_credential(void *service, const char *vault_id,
                                 const char *name, const struct vf_spec *spec,
                                 struct vf_key *key, int64_t deadline_ms,
                                 struct vf_object *ret, struct vf_error *err);
int vf_service_get_credential(void *service, const char *vault_id,
                              const char *id, int64_t deadline_ms,
                              struct vf_object *ret, struct vf_error *err);
int vf_service_archive_credential(void *service, const char *vault_id,
                                  const char *id, int64_t deadline_ms,
                                  struct vf_error *err);
int vf_service_delete_credential(void *service, const char *vault_id,
                                 const char *id, int64_t deadline_ms,
                                 struct vf_error *err);

/* updates.c */
int vf_service_update_credential(void *service, const char *vault_id,
                                 const char *id, const char *name,
                                 const struct vf_spec *spec,
                                 const char *current_text, size_t current_size,
                                 int64_t deadline_ms, struct vf_object *ret,
                                 struct vf_error *err);
int vf_service_rename_credential(void *service, const char *vault_id,
                                 const char *id, const char *name,
                                 const char *current_text, size_t current_size,
                                 int64_t deadline_ms, struct vf_object *ret,
                                 struct vf_error *err);

#endif
